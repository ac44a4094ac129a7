import type { AuditEvent } from '../../../src/audit/event.ts'
import { CountersignError } from '../../../src/errors.ts'
import { claimText } from './claims.ts'
import type { ForeignToken } from './foreign-token.ts'
import type { FederatedRule } from './rules.ts'

/** A token whose signature is good, and which is refused: for the record, not for whoever showed it. */
export class SubjectRefusal extends CountersignError {
  readonly token: ForeignToken

  constructor(reason: string, token: ForeignToken) {
    super('invalid', 'the subject token is not accepted', { reason })
    this.token = token
  }
}

type SubjectRecord = Required<Pick<AuditEvent, 'subject' | 'details'>>

/** For the record: whose token it was, and by which rule it has given something. */
export function subjectRecord(
  { issuer, subject, jti, podUid }: ForeignToken,
  rule?: Pick<FederatedRule, 'id'>,
): SubjectRecord {
  return {
    subject,
    details: {
      subjectIssuer: issuer.issuer,
      ...(jti !== undefined && { subjectJti: jti }),
      ...(podUid !== undefined && { podUid }),
      ...(rule !== undefined && { rule: rule.id }),
    },
  }
}

const maxClaims = 1024

/** The same of one that is refused, with what it says where the issuer's rules look. */
export function refusedRecord({ token }: SubjectRefusal): SubjectRecord {
  const { subject, details } = subjectRecord(token)
  const names = new Set(token.issuer.rules.flatMap(({ match }) => [...match.keys()]))
  const claims = [...names].sort().map((name) => `${name}=${claimText(token.claims, name) ?? ''}`)
  return { subject, details: { ...details, claims: claims.join(' ').slice(0, maxClaims) } }
}
