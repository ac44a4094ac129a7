import { CountersignError } from '../../src/errors.ts'
import { createClient } from '../../src/rpc/client.ts'
import type { AttestDeps } from './attest.ts'

const timeoutMs = 5000
/** Servers date certificates back by 10 s: an SVID for a clock that is further behind is not valid yet. */
const behindAllowedMs = 8000
/** A JWT-SVID would be over when it comes. */
const aheadAllowedMs = 300_000

/**
 * Compares this machine's clock with the server's, before a proof that is good once is spent. Throws
 * `unavailable`: `clock-behind` or `clock-ahead`. A server that does not tell the time is believed.
 */
export async function compareClocks(
  { channel, now }: Pick<AttestDeps, 'channel' | 'now'>,
  signal: AbortSignal,
): Promise<void> {
  const client = createClient('countersign.clock.v1.Clock', channel)
  const askedMs = now().getTime()
  let serverMs: number
  try {
    serverMs = Number((await client.unary('Now', {}, { signal, timeoutMs })).now_ms)
  } catch (error) {
    if (error instanceof CountersignError && error.code === 'unimplemented') return
    throw error
  }
  // By so much at least, however long question and answer took.
  const behindMs = serverMs - now().getTime()
  const aheadMs = askedMs - serverMs
  if (behindMs > behindAllowedMs) throw apart('behind', behindMs)
  if (aheadMs > aheadAllowedMs) throw apart('ahead', aheadMs)
}

function apart(how: 'behind' | 'ahead', byMs: number): CountersignError {
  const seconds = Math.round(byMs / 1000)
  const where = how === 'behind' ? 'behind that' : 'ahead of that'
  return new CountersignError(
    'unavailable',
    `the clock of this machine is ${seconds} s ${where} of the server`,
    {
      reason: `clock-${how}`,
      fix: 'set the one that is wrong; the agent then goes on by itself, and no join token was used',
    },
  )
}
