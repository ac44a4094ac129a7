import { CountersignError } from '../../src/errors.ts'
import type { Node } from '../../src/rpc/gen/envoy/config/core/v3/Node.ts'
import type { ResourceError$Input } from '../../src/rpc/gen/envoy/service/discovery/v3/ResourceError.ts'
import { itemStatus } from '../../src/rpc/status.ts'
import { secretType } from './messages.ts'
import type { Asked } from './names.ts'
import type { Found, Secrets } from './secrets.ts'

/** What one stream has asked for and been told. */
export interface Session {
  /** Undefined before the first request. */
  readonly asked: Asked | undefined
  /** By name, the version that was sent, or why there was none. */
  readonly told: ReadonlyMap<string, string>
  /** How many responses were sent; the nonce of the last one, or the empty string. */
  readonly sent: number
  /** The caller takes bundles as plain lists only. Once said it holds for the stream. */
  readonly plain: boolean
}

export const newSession: Session = { asked: undefined, told: new Map(), sent: 0, plain: false }

/** A request, and what it means. */
export interface Heard {
  readonly session: Session
  /** What the caller says of the response before: why it did not take it. */
  readonly refusal: string | undefined
}

/** A response, and the session once it is sent. */
export interface Said<Response> {
  readonly session: Session
  readonly response: Response
  /** The names that it says are not there, and why. */
  readonly absent: readonly Absent[]
}

export interface Absent {
  readonly name: string
  readonly error: CountersignError
}

export function nonceOf(session: Session): string {
  return session.sent === 0 ? '' : String(session.sent)
}

/** Throws `invalid` (`sds-type`) where something other than secrets is asked for. */
export function checkType(typeUrl: string): void {
  if (typeUrl === '' || typeUrl === secretType) return
  throw new CountersignError('invalid', `only ${secretType} is served here`, { reason: 'sds-type' })
}

/** As with SPIRE a node may say that it cannot use the SPIFFE validator. It speaks for itself alone. */
export function wantsPlain(node: Node | null): boolean {
  const fields = node?.metadata?.fields ?? {}
  return fields['disable_spiffe_cert_validation']?.bool_value === true
}

/** What is to be said about the names that were asked for. */
export interface News {
  /** All that is there, also what was told before. */
  readonly present: readonly Present[]
  readonly absent: readonly Absent[]
  /** Of both, and of what is no longer asked for, the names about which something new is to be said. */
  readonly changed: ReadonlySet<string>
  readonly told: ReadonlyMap<string, string>
}

interface Present {
  readonly name: string
  readonly version: string
  readonly secret: Buffer
}

/** Compares what there is with what was told. Undefined where nothing new is to be said. */
export function newsFor({ asked, told }: Session, secrets: Secrets): News | undefined {
  if (asked === undefined) return undefined
  const names = asked.all ? new Set([...asked.names, ...secrets.allNames()]) : asked.names
  const present: Present[] = []
  const absent: Absent[] = []
  const changed = new Set<string>()
  const next = new Map<string, string>()
  for (const name of new Set([...names, ...told.keys()])) {
    const found = secrets.find(name)
    const before = told.get(name)
    const now = marker(found) ?? before
    if (now === undefined) continue
    if (now !== before) changed.add(name)
    // What is there by asking for everything alone is forgotten once it has been told as gone.
    if (found.kind !== 'absent' || names.has(name)) next.set(name, now)
    if (found.kind === 'secret') present.push({ name, ...found })
    if (found.kind === 'absent') absent.push({ name, error: found.error })
  }
  return changed.size === 0 ? undefined : { present, absent, changed, told: next }
}

/** What is kept of what was told; nothing while it is still to come. */
function marker(found: Found): string | undefined {
  if (found.kind === 'pending') return undefined
  return found.kind === 'secret' ? found.version : `!${found.error.reason}`
}

export function resourceErrors(absent: readonly Absent[]): ResourceError$Input[] {
  return absent.map(({ name, error }) => ({
    resource_name: { name },
    error_detail: itemStatus(error),
  }))
}
