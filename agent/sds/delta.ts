import type { DeltaDiscoveryRequest } from '../../src/rpc/gen/envoy/service/discovery/v3/DeltaDiscoveryRequest.ts'
import type { DeltaDiscoveryResponse$Input } from '../../src/rpc/gen/envoy/service/discovery/v3/DeltaDiscoveryResponse.ts'
import { secretType } from './messages.ts'
import { subscribed } from './names.ts'
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

/** No version of ours is longer, so that no longer one is taken for ours. */
const maxVersionLength = 32

/**
 * A request of the incremental protocol adds to what is wanted or takes from it, whatever response it
 * answers to. What is asked for once more is sent once more, but on a new stream for what the caller
 * says that it holds. Throws `invalid` (`sds-…`).
 */
export function hearChange(session: Session, request: DeltaDiscoveryRequest): Heard {
  checkType(request.type_url)
  const { resource_names_subscribe: added, resource_names_unsubscribe: taken } = request
  const isFirst = session.asked === undefined
  const held = isFirst ? Object.entries(request.initial_resource_versions) : []
  const before = session.asked ?? { names: new Set(), all: added.length === 0 }
  const asked = subscribed(before, added, taken)
  const told = new Map(session.told)
  for (const name of [...added, ...taken]) told.delete(name)
  // Of everything the caller may hold what it did not name: that is bounded as if it had.
  if (asked.all)
    subscribed(
      asked,
      held.map(([name]) => name),
    )
  for (const [name, version] of held) {
    if (asked.all || asked.names.has(name)) told.set(name, version.slice(0, maxVersionLength))
  }
  if (session.asked?.all === true && !asked.all) {
    for (const name of told.keys()) if (!asked.names.has(name)) told.delete(name)
  }
  const isLatest = session.sent > 0 && request.response_nonce === nonceOf(session)
  return {
    session: { ...session, asked, told, plain: session.plain || wantsPlain(request.node) },
    refusal: isLatest ? request.error_detail?.message : undefined,
  }
}

/** What is new, and what is gone. */
export function sayChange(
  session: Session,
  secrets: Secrets,
): Said<DeltaDiscoveryResponse$Input> | undefined {
  const news = newsFor(session, secrets)
  if (news === undefined) return undefined
  const next: Session = { ...session, told: news.told, sent: session.sent + 1 }
  const absent = news.absent.filter(({ name }) => news.changed.has(name))
  return {
    session: next,
    absent,
    response: {
      type_url: secretType,
      nonce: nonceOf(next),
      resources: news.present
        .filter(({ name }) => news.changed.has(name))
        .map(({ name, version, secret }) => ({
          name,
          version,
          resource: { type_url: secretType, value: secret },
        })),
      removed_resources: absent.map(({ name }) => name),
      resource_errors: resourceErrors(absent),
    },
  }
}
