import { isIP } from 'node:net'
import { CountersignError } from '../errors.ts'

/** Where a Workload API is listening. */
export type Endpoint =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }

/** The variable that names the endpoint (SPIFFE Workload Endpoint §4). */
export const endpointVariable = 'SPIFFE_ENDPOINT_SOCKET'

/**
 * Reads `unix:///path`, `unix:/path` or `tcp://1.2.3.4:80`. By hand: a URL parser would resolve dot
 * segments and swallow an empty query. Throws `invalid` / `endpoint-…`.
 */
export function parseEndpoint(text: string): Endpoint {
  if (text.startsWith('unix:')) return { kind: 'unix', path: parseUnix(text.slice(5)) }
  if (text.startsWith('tcp://')) return parseTcp(text.slice(6))
  const message = 'the scheme of an endpoint is unix or tcp'
  // A path alone is what most other settings take.
  if (text.startsWith('/')) throw refuse('endpoint-scheme', message, `write it as unix://${text}`)
  throw refuse('endpoint-scheme', message)
}

function parseUnix(rest: string): string {
  const path = rest.startsWith('//') ? rest.slice(2) : rest
  if (!path.startsWith('/') || path.length < 2) {
    throw refuse('endpoint-path', 'a unix endpoint has an absolute path and no authority')
  }
  if (path.startsWith('//')) {
    throw refuse('endpoint-path', 'a unix endpoint has no authority')
  }
  if (/[?#]/.test(path)) throw refuse('endpoint-path', 'a unix endpoint has no query or fragment')
  return path
}

function parseTcp(rest: string): Endpoint {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{1,5})$/.exec(rest)
  const host = match?.[1] ?? match?.[2] ?? ''
  const port = Number(match?.[3])
  if (isIP(host) === 0 || !(port >= 1 && port <= 65_535)) {
    throw refuse('endpoint-host', 'a tcp endpoint is an IP address and a port, nothing else')
  }
  return { kind: 'tcp', host, port }
}

function refuse(
  reason: string,
  message: string,
  fix = 'write it as unix:///run/agent.sock or tcp://127.0.0.1:8000',
): CountersignError {
  return new CountersignError('invalid', message, { reason, fix })
}

/** The endpoint that was given, or the one that the environment names. There is no default: throws `invalid` / `endpoint-missing`. */
export function resolveEndpoint(
  given: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Endpoint {
  const text = given ?? env[endpointVariable]
  if (text === undefined || text === '') {
    throw new CountersignError('invalid', 'no Workload API endpoint is named', {
      reason: 'endpoint-missing',
      fix: `set ${endpointVariable}=unix:///path/of/the/agent.sock`,
    })
  }
  return parseEndpoint(text)
}
