import { hash } from 'node:crypto'
import type { AuditEvent } from '../../src/audit/event.ts'
import { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'

/** The server is about to open its doors, under this configuration; which one is told by its hash alone. */
export function startedEvent(
  about: { readonly trustDomain: TrustDomain; readonly version: string; readonly config: object },
  time: Date,
): AuditEvent {
  return {
    kind: 'server.started',
    time,
    actor: { kind: 'server' },
    spiffeId: TrustDomain.toId(about.trustDomain),
    decision: 'allow',
    details: {
      version: about.version,
      node: process.version,
      configSha256: hash('sha256', JSON.stringify(about.config, plain), 'hex'),
    },
  }
}

/** JSON has no word for maps and sets, and leaves out what is in them. */
function plain(_name: string, value: unknown): unknown {
  return value instanceof Map || value instanceof Set ? [...value] : value
}

/**
 * Its doors are shut again: `asked` to, or because something `failed`. `deniedLeftOut` refusals came
 * after the last one on record.
 */
export function stoppedEvent(
  about: {
    readonly trustDomain: TrustDomain
    readonly reason: 'asked' | 'failed'
    readonly deniedLeftOut: number
  },
  time: Date,
): AuditEvent {
  const { deniedLeftOut } = about
  return {
    kind: 'server.stopped',
    time,
    actor: { kind: 'server' },
    spiffeId: TrustDomain.toId(about.trustDomain),
    decision: 'allow',
    reason: about.reason,
    ...(deniedLeftOut > 0 && { details: { deniedLeftOut } }),
  }
}
