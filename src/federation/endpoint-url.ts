import { CountersignError } from '../errors.ts'

const maxUrlLength = 2048

/**
 * Reads the URL of an endpoint (SPIFFE Federation §5.2.1.1): https, a host, no user info.
 * Throws `invalid` / `federation-url`.
 */
export function parseEndpointUrl(text: string): URL {
  const url = text.length <= maxUrlLength && URL.canParse(text) ? new URL(text) : undefined
  const sound =
    url?.protocol === 'https:' && url.hostname !== '' && url.username === '' && url.password === ''
  if (sound) return url
  // The text is not repeated: user info may be a secret.
  throw new CountersignError(
    'invalid',
    'the URL of an endpoint must use https, name a host and hold no user info',
    { reason: 'federation-url' },
  )
}
