import { SpiffeId, type TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { AuthorityKind, AuthorityRecord } from '../store/records.ts'

/** How far an authority's validity begins in the past, for verifiers whose clock is behind. */
export const backdateSeconds = 10

/** When a certificate was signed: ours are valid from a little earlier, those of others as they say. */
export function issuedAt(own: TrustDomain, id: SpiffeId, notBefore: Date): Date {
  const ours = SpiffeId.trustDomainOf(id) === own
  return new Date(notBefore.getTime() + (ours ? backdateSeconds * 1000 : 0))
}

/** What should happen next to the authorities. `activate` without an id means the one that `prepare` just made. */
export type RotationStep =
  | { readonly step: 'prepare'; readonly kind: AuthorityKind; readonly reason: RotationReason }
  | {
      readonly step: 'activate'
      readonly kind: AuthorityKind
      readonly id: string | undefined
      readonly reason: RotationReason
    }
  | {
      readonly step: 'drop'
      readonly kind: AuthorityKind
      readonly id: string
      readonly reason: 'ended' | 'replaced'
    }
  | {
      /** `taint`: whatever it signed is to be replaced. `revoke`: nothing that it signed is good. */
      readonly step: 'taint' | 'revoke'
      readonly kind: AuthorityKind
      readonly id: string
      readonly reason: 'asked'
    }

export type RotationReason = 'first' | 'due' | 'ending' | 'ended' | 'asked'

const dayMs = 86_400_000

/** When an authority's successor is made and when it takes over; all from its own lifetime. */
export function scheduleOf(record: AuthorityRecord): {
  readonly createdAt: Date
  readonly prepareAt: Date
  readonly activateAt: Date
  /** From here on a successor takes over even if it has only just been published. */
  readonly lastCallAt: Date
  readonly dropAt: Date
} {
  const end = record.notAfter.getTime()
  const createdMs = record.notBefore.getTime() + backdateSeconds * 1000
  const lifetimeMs = Math.max(0, end - createdMs)
  const handOverMs = Math.min(lifetimeMs / 6, 7 * dayMs)
  return {
    createdAt: new Date(createdMs),
    prepareAt: new Date(end - Math.min(lifetimeMs / 2, 30 * dayMs)),
    activateAt: new Date(end - handOverMs),
    lastCallAt: new Date(end - handOverMs / 4),
    // FED-03. Verifiers may allow a token some seconds past its end.
    dropAt: new Date(end + Math.min(60_000, lifetimeMs / 20)),
  }
}

/**
 * A pure decision: the steps that are due, in order, all to be taken in one transaction. An authority
 * signs only after it was in the bundle for a while (FED-02), unless there is nothing else to sign with.
 * `kinds` are those that there are to be.
 */
export function decide(
  authorities: readonly AuthorityRecord[],
  now: Date,
  kinds: readonly AuthorityKind[],
): readonly RotationStep[] {
  return [
    ...kinds.flatMap((kind) => decideKind(kind, authorities, now)),
    // Of a kind that nobody asks for any more, even the active one goes when it has ended.
    ...authorities
      .filter((record) => !kinds.includes(record.kind) && now > scheduleOf(record).dropAt)
      .map(({ kind, id }) => ({ step: 'drop', kind, id, reason: 'ended' }) as const),
  ]
}

function decideKind(
  kind: AuthorityKind,
  all: readonly AuthorityRecord[],
  now: Date,
): readonly RotationStep[] {
  const own = all.filter((record) => record.kind === kind)
  const gone = own.filter((record) => isOver(record, now))
  const drops = gone.map(({ id }) => ({ step: 'drop', kind, id, reason: 'ended' }) as const)
  const active = own.find((record) => record.slot === 'active')
  const prepared = own.find((record) => record.slot === 'prepared' && !hasEnded(record, now))
  return [...succession(kind, active, prepared, now), ...drops]
}

function succession(
  kind: AuthorityKind,
  active: AuthorityRecord | undefined,
  prepared: AuthorityRecord | undefined,
  now: Date,
): readonly RotationStep[] {
  if (active === undefined || hasEnded(active, now)) {
    const reason = active === undefined ? 'first' : 'ended'
    const activate = { step: 'activate', kind, id: prepared?.id, reason } as const
    return prepared === undefined ? [{ step: 'prepare', kind, reason }, activate] : [activate]
  }
  const schedule = scheduleOf(active)
  if (prepared === undefined) {
    return now > schedule.prepareAt ? [{ step: 'prepare', kind, reason: 'due' }] : []
  }
  const activate = (reason: RotationReason) =>
    [{ step: 'activate', kind, id: prepared.id, reason }] as const
  if (now > schedule.lastCallAt) return activate('ending')
  return now > schedule.activateAt && now >= publishedLongEnough(prepared) ? activate('due') : []
}

/** Agents hear of a bundle at once; peers that fetch it do so at its refresh hint, and a little later. */
function publishedLongEnough(prepared: AuthorityRecord): Date {
  const { createdAt } = scheduleOf(prepared)
  const lifetimeMs = prepared.notAfter.getTime() - createdAt.getTime()
  return new Date(createdAt.getTime() + Math.min(lifetimeMs / 24, 15 * 60_000))
}

function hasEnded(record: AuthorityRecord, now: Date): boolean {
  return now >= record.notAfter
}

/** An active one stays until another took its place. */
function isOver(record: AuthorityRecord, now: Date): boolean {
  return record.slot !== 'active' && now > scheduleOf(record).dropAt
}

/** How often to look: every 10 s, or more often where authorities live for seconds only. */
export function tickMs(caTtlSeconds: number): number {
  return Math.min(10_000, (caTtlSeconds * 1000) / 20)
}
