import type { AuditKind } from '../audit/event.ts'
import { counted } from '../runtime/counted.ts'
import { type Answer, fine } from './answer.ts'
import type { TrailFigures } from './figures.ts'

/** Put to the trail, each by the name that a row of a framework has for it. */
export type TrailQuery =
  | 'what was taken away'
  | 'credentials kept out of the trail'
  | 'calls to vendors'
  | 'how clients proved themselves'
  | 'bound tokens'
  | 'what was refused'
  | 'what policies refused'
  | 'policies in force'
  | 'identities of other issuers'
  | 'the longest life of a token'
  | 'keys that came and went'
  | 'copies of an agent'
  | 'SVIDs signed by hand'
  | 'SVIDs and attestations'
  | 'the last signed head'

const longSeconds = 3600

export const trailQueries: Readonly<Record<TrailQuery, (trail: TrailFigures) => Answer>> = {
  'what was taken away': (trail) =>
    fine(
      `${counted(sum(trail, 'entry.deleted'), 'entry', 'entries')} deleted, ${sum(trail, 'entry.disabled')} disabled, ${counted(sum(trail, 'agent.banned', 'agent.evicted'), 'agent')} banned or evicted, ${counted(sum(trail, 'revocation.written'), 'revocation')}, of ${counted(trail.ownersCutOff, 'owner')}`,
    ),
  'credentials kept out of the trail': ({ withheld }) => ({
    text: `${counted(withheld, 'record')} held something that looked like one`,
    attention: withheld > 0,
  }),
  'calls to vendors': (trail) =>
    fine(
      `${sum(trail, 'broker.called')} made, ${sum(trail, 'broker.denied')} refused in this trail; a broker has its own`,
    ),
  'how clients proved themselves': ({ auth }) => fine(listed(auth)),
  'bound tokens': ({ tokens, boundTokens }) => ({
    text: `of use with the client’s certificate alone: ${boundTokens} of ${counted(tokens, 'token')}`,
    attention: boundTokens < tokens,
  }),
  'what was refused': ({ denials }) => fine(listed(denials)),
  'what policies refused': ({ denials }) =>
    fine(listed([...denials].filter(([reason]) => reason.startsWith('policy-')))),
  'policies in force': (trail) => ({
    text: `loaded ${counted(sum(trail, 'policy.loaded'), 'time')}, refused ${counted(sum(trail, 'policy.refused'), 'time')}; the last is ${trail.policyRevision ?? 'of before'}`,
    attention: sum(trail, 'policy.refused') > 0,
  }),
  'identities of other issuers': ({ foreignSubjects }) =>
    fine(`somebody got something by one ${counted(foreignSubjects, 'time')}`),
  'the longest life of a token': ({ longestSeconds }) => ({
    text: `${longestSeconds} s`,
    attention: longestSeconds > longSeconds,
  }),
  'keys that came and went': (trail) =>
    fine(
      `${sum(trail, 'authority.activated')} activated, ${sum(trail, 'authority.retired')} retired, ${sum(trail, 'authority.tainted', 'authority.revoked')} tainted or revoked; of vendors' ${sum(trail, 'broker.key.taken')} taken into use`,
    ),
  'copies of an agent': (trail) => ({
    text: `${sum(trail, 'agent.duplicated')} seen`,
    attention: sum(trail, 'agent.duplicated') > 0,
  }),
  'SVIDs signed by hand': ({ signedByHand }) => ({
    text: `${signedByHand} on the admin socket`,
    attention: signedByHand > 0,
  }),
  'SVIDs and attestations': (trail) =>
    fine(
      `${counted(sum(trail, 'svid.x509.issued', 'svid.jwt.issued'), 'SVID')}, ${counted(sum(trail, 'agent.attested'), 'attestation')} of agents`,
    ),
  'the last signed head': ({ records, lastHead }) => ({
    text: `${lastHead === undefined ? 'none' : `of ${lastHead}`}, in ${counted(records, 'record')}`,
    attention: lastHead === undefined,
  }),
}

function sum({ kinds }: TrailFigures, ...wanted: readonly AuditKind[]): number {
  return wanted.reduce((total, kind) => total + (kinds.get(kind) ?? 0), 0)
}

function listed(counts: Iterable<readonly [word: string, count: number]>): string {
  return [...counts].map(([word, count]) => `${word} ${count}`).join(', ') || 'none'
}
