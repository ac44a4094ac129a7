import type { Bundle } from '../bundle/bundle.ts'
import { parseBundleDocument } from '../bundle/document.ts'
import { CountersignError } from '../errors.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import { untilAborted } from '../runtime/until-aborted.ts'
import { within } from '../runtime/within.ts'
import type { TrustDomain } from '../spiffe-id/spiffe-id.ts'
import { connectEndpoint, type EndpointProfile } from './connect.ts'
import { download } from './download.ts'
import { parseEndpointUrl } from './endpoint-url.ts'
import { type HostLookup, locate, systemLookup } from './locate.ts'
import { type Networks, parseNetworks } from './networks.ts'
import { checkSuccessor } from './successor.ts'

const timeoutMs = 10_000
const publicOnly = parseNetworks([])

/** Whose bundle is fetched, from where, and by which profile. */
export interface FetchBundleOptions {
  /** Whose bundle it is; nothing that is fetched can say otherwise. */
  readonly trustDomain: TrustDomain
  readonly url: string
  readonly profile: EndpointProfile
  /** The bundle that is held now: what is fetched must not lead back behind it. */
  readonly held?: Bundle | undefined
  /** Besides the public internet; none unless told. */
  readonly allowedNetworks?: Networks
  /** Every port unless told. */
  readonly allowedPorts?: readonly number[] | undefined
  readonly signal?: AbortSignal
  readonly lookup?: HostLookup
  readonly clock?: Clock
}

/**
 * Fetches the bundle of another trust domain from its bundle endpoint (SPIFFE Federation §5), by the
 * profile that was agreed on and no other, within 10 s. No redirect is followed, no proxy asked. Throws
 * the signal's reason, and `invalid` (`federation-url`, `federation-encoding`, `bundle-…`), `forbidden`
 * (`federation-address`, `federation-port`), `unauthenticated` (`federation-certificate`,
 * `federation-endpoint-id`, `svid-…`), `conflict` (`federation-sequence`, `federation-empty`),
 * `unavailable` (`federation-…`, `tls-…`).
 */
export async function fetchBundle(options: FetchBundleOptions): Promise<Bundle> {
  const { trustDomain, held, signal, clock = systemClock } = options
  const url = parseEndpointUrl(options.url)
  signal?.throwIfAborted()
  const over = new AbortController()
  const until = signal === undefined ? over.signal : AbortSignal.any([over.signal, signal])
  try {
    const fetched = untilAborted(get(url, options, clock, until), until)
    const text = await within(clock, timeoutMs, fetched, tooSlow)
    const bundle = parseBundleDocument(trustDomain, text)
    checkSuccessor(bundle, held)
    return bundle
  } finally {
    over.abort()
  }
}

async function get(
  url: URL,
  options: FetchBundleOptions,
  clock: Clock,
  signal: AbortSignal,
): Promise<string> {
  const location = await locate(url, {
    lookup: options.lookup ?? systemLookup,
    allowedNetworks: options.allowedNetworks ?? publicOnly,
    allowedPorts: options.allowedPorts,
  })
  signal.throwIfAborted()
  const { profile } = options
  return download(await connectEndpoint(location, { profile, timeoutMs, clock, signal }), url)
}

function tooSlow(): CountersignError {
  return new CountersignError('unavailable', 'the bundle endpoint takes too long', {
    reason: 'federation-timeout',
  })
}
