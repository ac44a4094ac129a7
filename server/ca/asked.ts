import { CountersignError } from '../../src/errors.ts'
import type { AuthorityKind, AuthorityRecord } from '../store/records.ts'
import type { Decision } from './rotate.ts'

// What operators may ask for, whatever the schedule says. The texts are those that SPIRE's tools know.

/**
 * The set that an authority of this id is in. The wire knows one kind of JWT authorities: what is asked of
 * one of the RS256 set goes by its id.
 */
export function setOf(
  records: readonly AuthorityRecord[],
  kind: AuthorityKind,
  id: string,
): AuthorityKind {
  const isRs256 = records.some((one) => one.kind === 'jwt-rs256' && one.id === id)
  return kind === 'jwt' && isRs256 ? 'jwt-rs256' : kind
}

/** With the JWT authority of this id, the one of the RS256 set that waits goes along. */
export function askToActivateBoth(id: string, now: Date): Decision {
  return (records) => {
    const beside = records.find((one) => one.kind === 'jwt-rs256' && one.slot === 'prepared')
    return [
      ...askToActivate('jwt', id, now)(records),
      ...(beside === undefined ? [] : askToActivate('jwt-rs256', beside.id, now)(records)),
    ]
  }
}

/** A fresh successor; one that was prepared and never signed makes room for it. */
export function askToPrepare(kind: AuthorityKind): Decision {
  return (records) => [
    ...records
      .filter((record) => record.kind === kind && record.slot === 'prepared')
      .map(({ id }) => ({ step: 'drop', kind, id, reason: 'replaced' }) as const),
    { step: 'prepare', kind, reason: 'asked' },
  ]
}

/** Lets the prepared one of this id take over now. Throws as `find`, and `conflict` / `authority-not-prepared`. */
export function askToActivate(kind: AuthorityKind, id: string, now: Date): Decision {
  return (records) => {
    const record = find(records, kind, id)
    if (record.slot !== 'prepared' || now >= record.notAfter) {
      throw new CountersignError('conflict', 'only Prepared authorities can be activated', {
        reason: 'authority-not-prepared',
        fix: 'prepare one first, and give its id',
      })
    }
    return [{ step: 'activate', kind, id, reason: 'asked' }]
  }
}

/** Marks an old one, so that all that it signed is replaced. Throws as `findOld`. */
export function askToTaint(kind: AuthorityKind, id: string): Decision {
  return (records) =>
    findOld(records, kind, id, 'only Old local authorities can be tainted').tainted
      ? []
      : [{ step: 'taint', kind, id, reason: 'asked' }]
}

/** Takes an old one out of the bundle. Throws as `findOld`, and `conflict` / `authority-not-tainted`. */
export function askToRevoke(kind: AuthorityKind, id: string): Decision {
  return (records) => {
    const record = findOld(records, kind, id, 'only Old local authority can be revoked')
    if (!record.tainted) {
      throw new CountersignError(
        'conflict',
        'it is not possible to revoke an untainted authority',
        {
          reason: 'authority-not-tainted',
          fix: 'taint it first, and revoke it when agents have replaced what it signed',
        },
      )
    }
    return [{ step: 'revoke', kind, id, reason: 'asked' }]
  }
}

/** Throws `invalid`: `authority-id` where none is given, `authority-unknown`. */
function find(
  records: readonly AuthorityRecord[],
  kind: AuthorityKind,
  id: string,
): AuthorityRecord {
  if (id === '') {
    throw new CountersignError('invalid', 'no authority ID provided', { reason: 'authority-id' })
  }
  const record = records.find((one) => one.kind === kind && one.id === id)
  if (record !== undefined) return record
  throw new CountersignError('invalid', 'unexpected authority ID', {
    reason: 'authority-unknown',
    fix: `see which there are with: countersign authority ${kind} show`,
  })
}

/** What still signs cannot be taken away. Throws as `find`, and `invalid` / `authority-active`, `authority-not-old`. */
function findOld(
  records: readonly AuthorityRecord[],
  kind: AuthorityKind,
  id: string,
  notOld: string,
): AuthorityRecord {
  const record = find(records, kind, id)
  if (record.slot === 'active') {
    throw new CountersignError('invalid', 'unable to taint or revoke the current authority', {
      reason: 'authority-active',
      fix: 'prepare and activate another one first',
    })
  }
  if (record.slot !== 'old') {
    throw new CountersignError('invalid', notOld, { reason: 'authority-not-old' })
  }
  return record
}
