import { readFileSync } from 'node:fs'
import { CountersignError } from '../errors.ts'
import { parseJsonObject } from '../jwt/strict-json.ts'
import { fetchDocument } from '../runtime/http-get.ts'
import { usage } from './usage.ts'

const timeoutMs = 10_000
const maxBytes = 65_536

/** Where a job of GitLab has its token: the name below `id_tokens` in its file. */
export const tokenVariable = 'COUNTERSIGN_ID_TOKEN'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The token that this job or pod has of its own issuer: of a file, such as a volume of Kubernetes, or of the
 * environment that GitHub or GitLab has made. Throws `invalid` (`usage`, `job-token-missing`), `unavailable`
 * `job-token-unavailable`.
 */
export async function jobToken(
  file: string | undefined,
  audience: string,
  env: Environment,
  signal: AbortSignal,
): Promise<string> {
  if (file !== undefined) return readToken(file)
  const { [tokenVariable]: given, ACTIONS_ID_TOKEN_REQUEST_URL: url } = env
  if (given !== undefined && given !== '') return given.trim()
  if (url !== undefined && url !== '') return askGithub(url, audience, env, signal)
  throw new CountersignError('invalid', 'there is no token of this job to exchange', {
    reason: 'job-token-missing',
    fix: `give a GitHub job "permissions: id-token: write", a GitLab job "id_tokens: ${tokenVariable}", or name a file with --token-file`,
  })
}

function readToken(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8').trim()
  } catch (cause) {
    throw usage(
      `cannot read ${file}`,
      'name the file that holds the token, or - for standard input',
      cause,
    )
  }
}

/** GitHub makes one for whoever has the key of the job, for the audience that is asked for. */
async function askGithub(
  url: string,
  audience: string,
  env: Environment,
  signal: AbortSignal,
): Promise<string> {
  const authorization = `Bearer ${env['ACTIONS_ID_TOKEN_REQUEST_TOKEN'] ?? ''}`
  // The key of the job is shown to nobody else.
  if (!url.startsWith('https://')) throw unavailable(new TypeError('it is at no https URL'))
  try {
    const text = await fetchDocument(`${url}&audience=${encodeURIComponent(audience)}`, maxBytes, {
      headers: { authorization, accept: 'application/json' },
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    })
    const { value } = parseJsonObject(text).members as { value?: unknown }
    if (typeof value === 'string') return value
  } catch (cause) {
    signal.throwIfAborted()
    throw unavailable(cause)
  }
  throw unavailable(undefined)
}

function unavailable(cause: unknown): CountersignError {
  return new CountersignError('unavailable', 'GitHub gives this job no token', {
    reason: 'job-token-unavailable',
    fix: 'give the job "permissions: id-token: write"',
    cause,
  })
}
