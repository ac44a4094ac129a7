import { counted } from '../runtime/counted.ts'
import { type Answer, fine } from './answer.ts'
import type { ServerFigures, TrailFigures } from './figures.ts'
import { type TrailQuery, trailQueries } from './trail-queries.ts'

/** Put to the server. */
export type ServerQuery =
  | 'entries that nobody answers for'
  | 'entries without an end'
  | 'entries that are disabled'
  | 'who can reach what now'
  | 'identities that are shared'
  | 'entries with more rights'
  | 'other trust domains'
  | 'static keys of callers'

export type QueryName = TrailQuery | ServerQuery

const serverQueries: Readonly<Record<ServerQuery, (server: ServerFigures) => Answer>> = {
  'entries that nobody answers for': ({ entries, withoutOwner, withoutPurpose }) => ({
    text: `of ${counted(entries, 'entry', 'entries')} ${withoutOwner} without an owner, ${withoutPurpose} without a purpose`,
    attention: withoutOwner > 0,
  }),
  'entries without an end': ({ entries, withoutEnd }) => ({
    text: `${withoutEnd} of ${counted(entries, 'entry', 'entries')}`,
    attention: withoutEnd > 0,
  }),
  // Somebody has to say whether they are needed any more.
  'entries that are disabled': ({ entries, disabled }) => ({
    text: `${disabled} of ${counted(entries, 'entry', 'entries')}`,
    attention: disabled > 0,
  }),
  'who can reach what now': ({ grants, moreGrants }) =>
    fine(`${moreGrants ? 'at least ' : ''}${counted(grants, 'grant')} with tokens that are good`),
  'identities that are shared': ({ sharedIds }) => ({
    text: `${counted(sharedIds, 'ID')} that several entries give`,
    attention: sharedIds > 0,
  }),
  'entries with more rights': ({ adminEntries }) =>
    fine(counted(adminEntries, 'admin entry', 'admin entries')),
  'other trust domains': ({ relationships }) =>
    fine(`federated with ${counted(relationships, 'trust domain')}`),
  'static keys of callers': ({ staticKeys, idleStaticKeys, lastKeyEnd }) => ({
    text:
      lastKeyEnd === undefined
        ? 'none is good'
        : `${staticKeys} ${staticKeys === 1 ? 'is' : 'are'} good, the last until ${lastKeyEnd.toISOString()}; ${idleStaticKeys} of them not used for 14 days`,
    attention: staticKeys > 0,
  }),
}

/** Undefined where the trail, or the server, that it is put to was not there. */
export function ask(
  name: QueryName,
  figures: { readonly trail: TrailFigures | undefined; readonly server: ServerFigures | undefined },
): Answer | undefined {
  const { trail, server } = figures
  if (isOfTrail(name)) return trail === undefined ? undefined : trailQueries[name](trail)
  return server === undefined ? undefined : serverQueries[name](server)
}

/** Where the answer is to be had. */
export function sourceOf(name: QueryName): 'trail' | 'server' {
  return isOfTrail(name) ? 'trail' : 'server'
}

function isOfTrail(name: QueryName): name is TrailQuery {
  return Object.hasOwn(trailQueries, name)
}
