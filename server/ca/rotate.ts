import type { AuditEvent } from '../../src/audit/event.ts'
import { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { ownBundle } from '../bundle/own-bundle.ts'
import type { Cause, WriteFacts } from '../revocation/write-facts.ts'
import { deleteAuthority, loadAuthorities, putAuthority } from '../store/authorities.ts'
import { loadBundles, putBundle } from '../store/bundles.ts'
import type { AuthorityKind, AuthorityRecord } from '../store/records.ts'
import type { Store, WriteTx } from '../store/store.ts'
import { createAuthority } from './authorities.ts'
import type { IssueAudit } from './issue-x509.ts'
import type { KeyManager } from './key-manager.ts'
import { decide, type RotationStep } from './rotation.ts'
import { type CaSettings, keyKindsOf, refreshHintSeconds } from './settings.ts'

export interface RotateDeps {
  readonly store: Store
  readonly settings: CaSettings
  readonly keys: KeyManager
  /** Puts the revocations that follow from a step into its write. */
  readonly writeFacts?: WriteFacts | undefined
}

/** Decides from what there is; called twice, first with what is in memory, then inside the transaction. */
export type Decision = (records: readonly AuthorityRecord[]) => readonly RotationStep[]

/** Who asked for it. */
export type Act = Pick<IssueAudit, 'actor' | 'requestId' | 'trace'>

type Candidates = ReadonlyMap<AuthorityKind, AuthorityRecord>

/**
 * Takes the steps that are due, or asked for: authorities, own bundle and audit record in one
 * transaction. It decides again inside it, so that of two servers one finds the work done. Answers the
 * steps taken.
 */
export async function rotate(
  deps: RotateDeps,
  known: readonly AuthorityRecord[],
  now: Date,
  act: Act = { actor: { kind: 'server' } },
  decision: Decision = (records) => decide(records, now, [...keyKindsOf(deps.settings).keys()]),
): Promise<readonly RotationStep[]> {
  const expected = decision(known)
  if (expected.length === 0) return []
  // Making a key may take a second: not while others wait for the store.
  const candidates = await makeCandidates(deps, expected, now)
  return deps.store.write(async (tx) => {
    const records = await loadAuthorities(tx.db)
    const steps = decision(records).filter((step) => isPossible(step, candidates))
    if (steps.length === 0) return []
    const next = afterSteps(records, steps, candidates)
    await writeAuthorities(tx, records, next)
    await writeBundle(tx, deps.settings, records, next, now)
    await deps.writeFacts?.(tx, causesOf(steps, deps.settings.trustDomain))
    for (const step of steps) tx.audit(eventOf(step, records, candidates, deps, act, now))
    return steps
  })
}

async function makeCandidates(
  deps: RotateDeps,
  steps: readonly RotationStep[],
  now: Date,
): Promise<Candidates> {
  const { settings, keys } = deps
  const asked = new Set(steps.filter(({ step }) => step === 'prepare').map(({ kind }) => kind))
  const made = await Promise.all(
    [...keyKindsOf(settings)]
      .filter(([kind]) => asked.has(kind))
      .map(([kind, keyKind]) =>
        createAuthority({
          trustDomain: settings.trustDomain,
          kind,
          keyKind,
          keys,
          now,
          ttlSeconds: settings.caTtlSeconds,
        }),
      ),
  )
  return new Map(made.map((record) => [record.kind, record]))
}

/**
 * What ends with a key that is tainted or revoked: what it has signed, where it signs access tokens. Where it signs
 * SVIDs, whoever had it may have bought tokens under any name: they all are to be bought anew.
 */
function causesOf(steps: readonly RotationStep[], own: TrustDomain): readonly Cause[] {
  const causes: Cause[] = []
  for (const step of steps) {
    if (step.step !== 'taint' && step.step !== 'revoke') continue
    if (step.kind === 'oauth') causes.push({ kind: 'key', id: step.id })
    else if (step.kind === 'x509' || step.kind === 'jwt' || step.kind === 'jwt-rs256') {
      causes.push({ kind: 'trust-domain', id: own })
    }
  }
  return causes
}

/** What became due only since the first look has no key yet; it is taken at the next one. */
function isPossible(step: RotationStep, candidates: Candidates): boolean {
  return (step.step !== 'prepare' && step.id !== undefined) || candidates.has(step.kind)
}

function idOf(step: RotationStep, candidates: Candidates): string {
  const id = step.step === 'prepare' ? undefined : step.id
  const found = id ?? candidates.get(step.kind)?.id
  if (found === undefined) throw new Error(`${step.step} without an authority`)
  return found
}

function afterSteps(
  records: readonly AuthorityRecord[],
  steps: readonly RotationStep[],
  candidates: Candidates,
): readonly AuthorityRecord[] {
  return steps.reduce((now, step) => afterStep(now, step, candidates), records)
}

function afterStep(
  records: readonly AuthorityRecord[],
  step: RotationStep,
  candidates: Candidates,
): readonly AuthorityRecord[] {
  const id = idOf(step, candidates)
  const candidate = candidates.get(step.kind)
  switch (step.step) {
    case 'prepare':
      return candidate === undefined ? records : records.concat(candidate)
    case 'activate':
      return records.map((record) => afterActivation(record, step.kind, id))
    case 'taint':
      return records.map((record) => (record.id === id ? { ...record, tainted: true } : record))
    case 'drop':
    case 'revoke':
      return records.filter((record) => record.id !== id)
  }
}

/** What is old never signs again: its key is forgotten. */
function afterActivation(
  record: AuthorityRecord,
  kind: AuthorityKind,
  id: string,
): AuthorityRecord {
  if (record.id === id) return { ...record, slot: 'active' }
  return record.kind === kind && record.slot === 'active'
    ? { ...record, slot: 'old', sealedKey: Buffer.alloc(0) }
    : record
}

async function writeAuthorities(
  tx: WriteTx,
  before: readonly AuthorityRecord[],
  after: readonly AuthorityRecord[],
): Promise<void> {
  const kept = new Set(after.map(({ id }) => id))
  for (const { id } of before) if (!kept.has(id)) await deleteAuthority(tx, id)
  // The old one leaves its slot before the next takes it.
  const changed = after.filter((record) => !before.includes(record))
  for (const record of changed.sort((a) => (a.slot === 'old' ? -1 : 1))) {
    await putAuthority(tx, record)
  }
}

async function writeBundle(
  tx: WriteTx,
  settings: CaSettings,
  before: readonly AuthorityRecord[],
  authorities: readonly AuthorityRecord[],
  now: Date,
): Promise<void> {
  const { trustDomain, caTtlSeconds } = settings
  const previous = (await loadBundles(tx.db, [trustDomain]))[0]
  const next = ownBundle({
    trustDomain,
    before,
    authorities,
    refreshHintSeconds: refreshHintSeconds(caTtlSeconds),
    previous,
    now,
  })
  if (next !== previous) await putBundle(tx, next)
}

const kinds = {
  prepare: 'authority.prepared',
  activate: 'authority.activated',
  drop: 'authority.retired',
  taint: 'authority.tainted',
  revoke: 'authority.revoked',
} as const satisfies Record<RotationStep['step'], AuditEvent['kind']>

function eventOf(
  step: RotationStep,
  records: readonly AuthorityRecord[],
  candidates: Candidates,
  deps: RotateDeps,
  act: Act,
  now: Date,
): AuditEvent {
  const id = idOf(step, candidates)
  const record = records.find((one) => one.id === id) ?? candidates.get(step.kind)
  const replaced = records.find((one) => one.kind === step.kind && one.slot === 'active')
  return {
    kind: kinds[step.step],
    time: now,
    ...act,
    spiffeId: TrustDomain.toId(deps.settings.trustDomain),
    authorityId: id,
    expiresAt: record?.notAfter,
    decision: 'allow',
    reason: step.reason,
    details: {
      authority: step.kind,
      ...(step.step === 'activate' && replaced !== undefined ? { replaces: replaced.id } : {}),
    },
  }
}
