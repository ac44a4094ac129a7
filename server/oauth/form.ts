import { CountersignError } from '../../src/errors.ts'

/** The parameters of a request. One that is empty counts as absent (RFC 6749 §3.2). */
export type Form = ReadonlyMap<string, string>

/** A body is refused beyond this before it is parsed: twice what a JWT-SVID of ours can be. */
export const maxBodyBytes = 32_768
const maxParameters = 64

/**
 * Reads `application/x-www-form-urlencoded`; the caller has bounded it. Throws `invalid`: `request-malformed`,
 * `request-parameter-repeated`, and `target-several` for those that may be repeated elsewhere
 * (RFC 8707 §2, RFC 8693 §2.1): a token here is for one resource.
 */
export function readForm(body: string): Form {
  const form = new Map<string, string>()
  let count = 0
  for (const [name, value] of new URLSearchParams(body)) {
    count += 1
    if (count > maxParameters || name.includes('\0') || value.includes('\0')) {
      throw new CountersignError('invalid', 'the request is malformed', {
        reason: 'request-malformed',
      })
    }
    if (form.has(name)) throw repeated(name)
    form.set(name, value)
  }
  for (const [name, value] of form) if (value === '') form.delete(name)
  return form
}

function repeated(name: string): CountersignError {
  return name === 'resource' || name === 'audience'
    ? new CountersignError('invalid', 'a token is for one resource', { reason: 'target-several' })
    : new CountersignError('invalid', 'a parameter is there twice', {
        reason: 'request-parameter-repeated',
      })
}
