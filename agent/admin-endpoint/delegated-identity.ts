import type { Bundle } from '../../src/bundle/bundle.ts'
import { jwtBundleJwks, x509BundleDer } from '../../src/bundle/document.ts'
import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import { readCompact } from '../../src/jwt/compact.ts'
import type { CallContext } from '../../src/rpc/call-context.ts'
import { jwtSvidToWire, x509SvidToWire } from '../../src/rpc/convert.ts'
import type { FetchJWTSVIDsRequest } from '../../src/rpc/gen/spire/api/agent/delegatedidentity/v1/FetchJWTSVIDsRequest.ts'
import type { FetchJWTSVIDsResponse$Input } from '../../src/rpc/gen/spire/api/agent/delegatedidentity/v1/FetchJWTSVIDsResponse.ts'
import type { SubscribeToX509SVIDsRequest } from '../../src/rpc/gen/spire/api/agent/delegatedidentity/v1/SubscribeToX509SVIDsRequest.ts'
import type { SubscribeToX509SVIDsResponse$Input } from '../../src/rpc/gen/spire/api/agent/delegatedidentity/v1/SubscribeToX509SVIDsResponse.ts'
import { type RpcHandler, serverStream, unary } from '../../src/rpc/handler.ts'
import { serviceDefinition } from '../../src/rpc/services.ts'
import { Latest } from '../../src/runtime/latest.ts'
import { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { JwtSource } from '../cache/jwt.ts'
import type { Updates, WorkloadUpdate } from '../cache/updates.ts'
import type { Attestation } from '../workload-attestation/attestation.ts'
import { checkJwtRequest } from '../workload-endpoint/fetch-jwt-svid.ts'
import { noIdentity } from '../workload-endpoint/handler-deps.ts'
import { defaultLimits } from '../workload-endpoint/limits.ts'
import type { Delegate } from './delegate.ts'
import { type Subject, subjectOf } from './subject.ts'

/** Who calls: an operator unless it is a delegate. */
export interface AdminCaller {
  readonly delegate: Delegate | undefined
}

/** All bundles of this node. */
export interface Bundles {
  all(): ReadonlyMap<TrustDomain, Bundle>
  /** Calls back after each change; what comes back ends that. */
  listen(changed: () => void): () => void
}

export interface DelegatedDeps {
  readonly updates: Updates
  readonly jwt: JwtSource
  readonly bundles: Bundles
  readonly attestation: Attestation
}

type Context = CallContext<AdminCaller>
const definition = () => serviceDefinition('spire.api.agent.delegatedidentity.v1.DelegatedIdentity')

/** spire.api.agent.delegatedidentity.v1.DelegatedIdentity */
export function delegatedIdentityHandlers(
  deps: DelegatedDeps,
): Record<string, RpcHandler<AdminCaller>> {
  return {
    SubscribeToX509SVIDs: serverStream((request: SubscribeToX509SVIDsRequest, context: Context) =>
      x509Svids(deps, request, context),
    ),
    FetchJWTSVIDs: unary((request: FetchJWTSVIDsRequest, context: Context) =>
      jwtSvids(deps, request, context),
    ),
    SubscribeToX509Bundles: serverStream((_request: object, context: Context) =>
      bundles(deps, context, (all) =>
        definition().SubscribeToX509Bundles.responseSerialize({
          ca_certificates: byTrustDomain(all, x509BundleDer),
        }),
      ),
    ),
    SubscribeToJWTBundles: serverStream((_request: object, context: Context) =>
      bundles(deps, context, (all) =>
        definition().SubscribeToJWTBundles.responseSerialize({
          bundles: byTrustDomain(all, jwtBundleJwks),
        }),
      ),
    ),
  }
}

async function* x509Svids(
  deps: DelegatedDeps,
  request: SubscribeToX509SVIDsRequest,
  context: Context,
): AsyncGenerator<Buffer, void, void> {
  const delegate = delegateOf(context)
  const subject = await subjectOf(deps.attestation, request, context.signal)
  try {
    yield* pushed<WorkloadUpdate>({
      delegate,
      subject,
      signal: context.signal,
      watch: (deliver) => deps.updates.watch(subject.selectors, 'svids', deliver),
      encode: (update) =>
        definition().SubscribeToX509SVIDs.responseSerialize(x509SvidsToWire(update)),
    })
  } finally {
    subject.release()
  }
}

function bundles(
  deps: DelegatedDeps,
  context: Context,
  encode: (all: readonly Bundle[]) => Buffer,
): AsyncGenerator<Buffer, void, void> {
  return pushed<readonly Bundle[]>({
    delegate: delegateOf(context),
    signal: context.signal,
    watch(deliver) {
      const tell = (): void => deliver([...deps.bundles.all().values()])
      tell()
      return deps.bundles.listen(tell)
    },
    encode,
  })
}

/**
 * The full state now and after each change, the newest only. Before each message the delegate is
 * looked at anew, and the subject; what takes the delegate's right away ends the stream at once.
 */
async function* pushed<T>(stream: {
  readonly delegate: Delegate
  readonly subject?: Subject
  readonly signal: AbortSignal
  readonly watch: (deliver: (state: T) => void) => () => void
  readonly encode: (state: T) => Buffer
}): AsyncGenerator<Buffer, void, void> {
  const { delegate, subject, signal, watch, encode } = stream
  signal.throwIfAborted()
  const states = new Latest<T>()
  const end = (): void => states.end()
  signal.addEventListener('abort', end, { once: true })
  const leave = [delegate.watch((error) => states.end(error)), watch((state) => states.put(state))]
  let last: Buffer | undefined
  try {
    for await (const state of states) {
      const message = encode(state)
      if (last?.equals(message)) continue
      delegate.confirm()
      subject?.confirm()
      last = message
      yield message
    }
  } finally {
    signal.removeEventListener('abort', end)
    for (const act of leave) act()
  }
}

async function jwtSvids(
  deps: DelegatedDeps,
  request: FetchJWTSVIDsRequest,
  { caller, signal }: Context,
): Promise<FetchJWTSVIDsResponse$Input> {
  const delegate = delegateOf({ caller })
  const { audience } = checkJwtRequest({ audience: request.audience, spiffe_id: '' }, defaultLimits)
  const subject = await subjectOf(deps.attestation, request, signal)
  try {
    const entries = (deps.updates.current(subject.selectors)?.entries ?? []).filter(mayBeHandedOut)
    if (entries.length === 0) throw noIdentity()
    const svids = await Promise.all(
      entries.map(async (entry) => {
        const { token, expiresAt } = await deps.jwt.fetch(entry, audience, { signal })
        const issuedAt = new Date(Number(readCompact(token).claims.iat) * 1000)
        return jwtSvidToWire({
          token,
          expiresAt,
          issuedAt,
          spiffeId: entry.spiffeId,
          hint: entry.hint,
        })
      }),
    )
    delegate.confirm()
    subject.confirm()
    return { svids }
  } finally {
    subject.release()
  }
}

/** An admin's or a downstream server's SVID opens doors of the server: no delegate gets one. */
function mayBeHandedOut({ admin, downstream }: Entry): boolean {
  return !admin && !downstream
}

function x509SvidsToWire(update: WorkloadUpdate): SubscribeToX509SVIDsResponse$Input {
  const identities = update.identities.filter(({ entry }) => mayBeHandedOut(entry))
  const named = new Set(identities.flatMap(({ entry }) => entry.federatesWith))
  return {
    x509_svids: identities.map(({ entry, svid }) => ({
      x509_svid: x509SvidToWire({ ...svid, hint: entry.hint }),
      x509_svid_key: svid.privateKey,
    })),
    federates_with: [...update.federated.keys()]
      .filter((name) => named.has(name))
      .map((name) => TrustDomain.toId(name))
      .sort(),
  }
}

/** By the SPIFFE ID of each trust domain, in its order, so that equal is equal. */
function byTrustDomain(
  all: readonly Bundle[],
  write: (bundle: Bundle) => Buffer,
): Record<string, Buffer> {
  const named = all.map((bundle) => [TrustDomain.toId(bundle.trustDomain), write(bundle)] as const)
  return Object.fromEntries(named.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The guard has let nobody else here. */
function delegateOf({ caller }: Pick<Context, 'caller'>): Delegate {
  if (caller.delegate !== undefined) return caller.delegate
  throw new CountersignError('internal', 'a call came by the guard', { reason: 'delegate-missing' })
}
