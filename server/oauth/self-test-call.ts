import { request } from 'node:https'
import { CountersignError } from '../../src/errors.ts'
import { Agent } from '../../src/mtls/http-client.ts'
import type { IdentitySource } from '../../src/mtls/identity-source.ts'
import { answerTo } from '../../src/runtime/answer-to.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { within } from '../../src/runtime/within.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'

/** Asks one service whether it takes a token. */
export interface SelfTestCall {
  /** Throws `unavailable` `self-test-unreachable`, also where the answer is anything but the one bit. */
  takes(token: string): Promise<boolean>
  close(): void
}

const timeoutMs = 2000
const reason = 'self-test-unreachable'

/** By mutual TLS as the server itself, to those who serve the resource and to nobody else. */
export function selfTestCall(
  url: URL,
  servedBy: ReadonlySet<SpiffeId>,
  { source, clock }: { readonly source: IdentitySource; readonly clock: Clock },
): SelfTestCall {
  const authorize = (id: SpiffeId): boolean => servedBy.has(id)
  const agent = new Agent({ source, authorize, http: { maxSockets: 2 } })
  return {
    async takes(token) {
      const stop = new AbortController()
      try {
        const asked = ask(url, agent, token, stop.signal)
        return await within(clock, timeoutMs, asked, () => unreachable('it did not answer in 2 s'))
      } catch (error) {
        // Also of a handshake that one of the two has refused.
        throw isOurs(error) ? error : unreachable(error)
      } finally {
        stop.abort()
      }
    },
    close: () => agent.destroy(),
  }
}

async function ask(url: URL, agent: Agent, token: string, signal: AbortSignal): Promise<boolean> {
  const headers = { authorization: `Bearer ${token}`, 'content-length': 0 }
  const sent = request(url, { method: 'POST', agent, headers, signal })
  sent.end()
  const response = await answerTo(sent)
  let body = ''
  for await (const chunk of response.setEncoding('latin1')) {
    body += String(chunk)
    if (body.length > 1) break
  }
  if (response.statusCode === 200 && (body === '1' || body === '0')) return body === '1'
  throw unreachable(`status ${response.statusCode}`)
}

function isOurs(error: unknown): boolean {
  return error instanceof CountersignError && error.reason === reason
}

function unreachable(cause: unknown): CountersignError {
  return new CountersignError('unavailable', 'the self-test of a service cannot be asked', {
    reason,
    fix: 'see that it answers at the URL of self_test, by an SVID that served_by names, and lets in this server',
    cause,
  })
}
