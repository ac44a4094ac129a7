import { createHash } from 'node:crypto'
import type { DiscoveryRequest } from '../../src/rpc/gen/envoy/service/discovery/v3/DiscoveryRequest.ts'
import type { DiscoveryResponse$Input } from '../../src/rpc/gen/envoy/service/discovery/v3/DiscoveryResponse.ts'
import { secretType } from './messages.ts'
import { type Asked, subscribed } from './names.ts'
import type { Secrets } from './secrets.ts'
import {
  checkType,
  type Heard,
  newsFor,
  nonceOf,
  resourceErrors,
  type Said,
  type Session,
  wantsPlain,
} from './session.ts'

/**
 * A request of the state-of-the-world protocol names all that is wanted. One that answers to an older
 * response is left aside: the caller says the same again as it answers to the newest. Throws `invalid`
 * (`sds-…`).
 */
export function hearState(session: Session, request: DiscoveryRequest): Heard {
  checkType(request.type_url)
  const answersTo = request.response_nonce
  if (session.sent > 0 && answersTo !== nonceOf(session)) return { session, refusal: undefined }
  const asked = askedBy(session.asked, request.resource_names)
  const told = [...session.told].filter(([name]) => asked.all || asked.names.has(name))
  return {
    session: {
      ...session,
      asked,
      told: new Map(told),
      plain: session.plain || wantsPlain(request.node),
    },
    refusal: session.sent > 0 ? request.error_detail?.message : undefined,
  }
}

/** No name at all asks for everything, until names have been given once; then it asks for nothing. */
function askedBy(before: Asked | undefined, names: readonly string[]): Asked {
  const everything = names.length === 0 && (before === undefined || isEverything(before))
  return subscribed({ names: new Set(), all: everything }, names)
}

function isEverything({ names, all }: Asked): boolean {
  return all && names.size === 0
}

/** All that is wanted and there, whenever any of it is new; what is not there is named as such. */
export function sayState(
  session: Session,
  secrets: Secrets,
): Said<DiscoveryResponse$Input> | undefined {
  const news = newsFor(session, secrets)
  if (news === undefined) return undefined
  const next: Session = { ...session, told: news.told, sent: session.sent + 1 }
  return {
    session: next,
    absent: news.absent.filter(({ name }) => news.changed.has(name)),
    response: {
      version_info: versionOf(news.told),
      type_url: secretType,
      nonce: nonceOf(next),
      resources: news.present.map(({ secret }) => ({ type_url: secretType, value: secret })),
      resource_errors: resourceErrors(news.absent),
    },
  }
}

function versionOf(told: ReadonlyMap<string, string>): string {
  const hash = createHash('sha256').update(JSON.stringify([...told].sort()))
  return hash.digest('base64url').slice(0, 22)
}
