import { CountersignError } from '../errors.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import { untilAborted } from '../runtime/until-aborted.ts'
import { within } from '../runtime/within.ts'
import { connectEndpoint, type EndpointProfile } from './connect.ts'
import { type Download, download, type Post } from './download.ts'
import { parseEndpointUrl } from './endpoint-url.ts'
import { type HostLookup, locate, systemLookup } from './locate.ts'
import { type Networks, parseNetworks } from './networks.ts'

const timeoutMs = 10_000
const publicOnly = parseNetworks([])

/** What is fetched from a server of somebody else, and how far the way there may lead. */
export interface FetchDocumentOptions {
  readonly url: string
  readonly profile: EndpointProfile
  /** Besides the public internet; none unless told. */
  readonly allowedNetworks?: Networks
  /** Every port unless told. */
  readonly allowedPorts?: readonly number[] | undefined
  /** Sent in place of a GET. */
  readonly post?: Post | undefined
  readonly signal?: AbortSignal
  readonly lookup?: HostLookup
  readonly clock?: Clock
}

/**
 * Fetches a document of at most 1 MiB of UTF-8 over TLS within 10 s (T8): the name is resolved once, no address is
 * connected to that is not allowed, no redirect is followed, no proxy asked. Throws the signal's reason, and
 * `invalid` (`federation-url`, `federation-encoding`, `bundle-too-large`, `bundle-malformed`), `forbidden`
 * (`federation-address`, `federation-port`), `unauthenticated` (`federation-certificate`,
 * `federation-endpoint-id`, `svid-…`), `unavailable` (`federation-…`, `tls-…`).
 */
export async function fetchDocument(options: FetchDocumentOptions): Promise<string> {
  return (await exchangeDocument(options)).text
}

/** As `fetchDocument`, and tells the status of the answer too. */
export async function exchangeDocument(options: FetchDocumentOptions): Promise<Download> {
  const { signal, clock = systemClock } = options
  const url = parseEndpointUrl(options.url)
  signal?.throwIfAborted()
  const over = new AbortController()
  const until = signal === undefined ? over.signal : AbortSignal.any([over.signal, signal])
  try {
    const fetched = untilAborted(get(url, options, clock, until), until)
    return await within(clock, timeoutMs, fetched, tooSlow)
  } finally {
    over.abort()
  }
}

async function get(
  url: URL,
  options: FetchDocumentOptions,
  clock: Clock,
  signal: AbortSignal,
): Promise<Download> {
  const location = await locate(url, {
    lookup: options.lookup ?? systemLookup,
    allowedNetworks: options.allowedNetworks ?? publicOnly,
    allowedPorts: options.allowedPorts,
  })
  signal.throwIfAborted()
  const { profile, post } = options
  return download(await connectEndpoint(location, { profile, timeoutMs, clock, signal }), url, post)
}

function tooSlow(): CountersignError {
  return new CountersignError('unavailable', 'the endpoint takes too long', {
    reason: 'federation-timeout',
  })
}
