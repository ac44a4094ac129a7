import { either } from '../../src/runtime/either.ts'
import { Latest } from '../../src/runtime/latest.ts'
import type { Updates, WorkloadUpdate } from '../cache/cache.ts'
import type { Secrets } from '../sds/secrets.ts'
import { type Absent, type Heard, newSession, type Said, type Session } from '../sds/session.ts'
import { type AttestedCall, noIdentity } from './handler-deps.ts'

/** One of the two protocols that a stream may speak, as pure functions. */
export interface Protocol<Request, Response> {
  hear(session: Session, request: Request): Heard
  say(session: Session, secrets: Secrets): Said<Response> | undefined
}

export interface SecretStreamDeps {
  readonly updates: Updates
  secretsOf(update: WorkloadUpdate, plain: boolean): Secrets
  /** Who calls; asked once the first request has been read and is a good one. */
  attest(): Promise<AttestedCall>
  /** The caller has refused a response, and says why. */
  onRefusal(message: string): void
  /** The caller has been told that these are not there. */
  onAbsent(absent: readonly Absent[]): void
}

/**
 * What is asked for, now and again as it changes, until the caller closes its side. The caller is
 * looked at anew before each response. Throws `forbidden` (`no-identity`) where it has no entry, or
 * none any more, and `invalid` (`sds-…`) for a request that cannot be answered.
 */
export async function* serveSecrets<Request, Response>(
  { hear, say }: Protocol<Request, Response>,
  requests: AsyncIterable<Request>,
  deps: SecretStreamDeps,
): AsyncGenerator<Response> {
  const reader = requests[Symbol.asyncIterator]()
  const opening = await reader.next()
  if (opening.done === true) return
  let { session } = hear(newSession, opening.value)
  const call = await deps.attest()
  const updates = new Latest<WorkloadUpdate>()
  const leave = deps.updates.watch(call.selectors, 'svids', (update) => updates.put(update))
  let update: WorkloadUpdate | undefined
  try {
    for await (const event of either(reader, updates[Symbol.asyncIterator]())) {
      if (event.from === 'second') {
        update = event.value
      } else {
        const heard = hear(session, event.value)
        session = heard.session
        if (heard.refusal !== undefined) deps.onRefusal(heard.refusal)
      }
      if (update === undefined) continue
      const isOver = update.entries.length === 0
      if (isOver && session.sent === 0) throw noIdentity()
      const said = say(session, deps.secretsOf(update, session.plain))
      if (said !== undefined) {
        if (session.sent === 0) call.confirm()
        else await confirmInTurn(call)
        session = said.session
        yield said.response
        if (said.absent.length > 0) deps.onAbsent(said.absent)
      }
      if (isOver) throw noIdentity()
    }
  } finally {
    leave()
  }
  call.signal.throwIfAborted()
}

function confirmInTurn(call: AttestedCall): Promise<void> {
  return new Promise((resolve, reject) => {
    call.inTurn((slice) => {
      try {
        call.confirm(slice)
        resolve()
      } catch (error) {
        reject(error)
      }
    })
  })
}
