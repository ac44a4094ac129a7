import type { Metadata } from '@grpc/grpc-js'
import type { Bundle } from '../bundle/bundle.ts'
import { jwtBundleJwks, x509BundleDer } from '../bundle/document.ts'
import { CountersignError } from '../errors.ts'
import type { JWTBundlesResponse$Input } from '../rpc/gen/JWTBundlesResponse.ts'
import type { JWTSVIDRequest } from '../rpc/gen/JWTSVIDRequest.ts'
import type { JWTSVIDResponse$Input } from '../rpc/gen/JWTSVIDResponse.ts'
import type { ValidateJWTSVIDRequest } from '../rpc/gen/ValidateJWTSVIDRequest.ts'
import type { ValidateJWTSVIDResponse$Input } from '../rpc/gen/ValidateJWTSVIDResponse.ts'
import type { X509BundlesResponse$Input } from '../rpc/gen/X509BundlesResponse.ts'
import type { X509SVIDResponse$Input } from '../rpc/gen/X509SVIDResponse.ts'
import { toStruct } from '../rpc/struct.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import { SpiffeId, TrustDomain } from '../spiffe-id/spiffe-id.ts'
import { verifyJwtSvid } from '../svid/jwt-svid.ts'
import type { X509Svid } from '../svid/x509-svid.ts'
import type { CallStatus, Transport } from './script.ts'
import { type OpenStream, StatusError, StreamServer } from './stream-server.ts'
import { TestTrustDomain } from './trust-domain.ts'

/** The calls of the Workload API. */
export type WorkloadRpc =
  | 'FetchX509SVID'
  | 'FetchX509Bundles'
  | 'FetchJWTSVID'
  | 'FetchJWTBundles'
  | 'ValidateJWTSVID'

/** A message to script, with the names of the `.proto` file. */
export type WorkloadMessage =
  | X509SVIDResponse$Input
  | X509BundlesResponse$Input
  | JWTSVIDResponse$Input
  | JWTBundlesResponse$Input
  | ValidateJWTSVIDResponse$Input

/** A call that came in. */
export interface ReceivedCall {
  readonly rpc: string
  /** What it said in `workload.spiffe.io`; good is exactly one `true`. */
  readonly securityHeader: readonly string[]
  readonly request: unknown
}

export interface FakeWorkloadApiOptions {
  /** `example.org` unless told. */
  readonly trustDomain?: string
  /** What lifetimes are counted by; a `FakeClock` that the code under test is given too. */
  readonly clock?: Clock
  /** A Unix socket unless told. */
  readonly transport?: Transport
}

export interface GrantOptions {
  readonly hint?: string
  /** Of its X509-SVIDs; 3600 unless told. */
  readonly ttlSeconds?: number
  /** Of its JWT-SVIDs; 300 unless told. */
  readonly jwtTtlSeconds?: number
}

interface Granted extends GrantOptions {
  readonly spiffeId: SpiffeId
  readonly owner: TestTrustDomain
  svid: X509Svid
}

const statuses = { invalid: 3, forbidden: 7, unimplemented: 12 }

/**
 * A Workload API on a real socket that does what a test tells it. It grants nothing at first, and
 * answers as an agent does: PERMISSION_DENIED without an identity, INVALID_ARGUMENT without the
 * security header. Whatever changes is pushed to the open streams before the method that changes it
 * resolves; `nextUpdate` waits until a source has taken it.
 */
export class FakeWorkloadApi implements AsyncDisposable {
  /** The own trust domain of the workload. */
  readonly trustDomain: TestTrustDomain
  readonly #clock: Clock
  readonly #server: StreamServer
  readonly #streams = new Map<OpenStream, string>()
  readonly #granted = new Map<string, Granted>()
  readonly #federated = new Map<TrustDomain, TestTrustDomain>()
  readonly #scripted = new Map<string, CallStatus>()
  readonly #answers = new Map<string, WorkloadMessage>()
  readonly #calls: ReceivedCall[] = []

  private constructor(trustDomain: TestTrustDomain, clock: Clock, transport: Transport) {
    this.trustDomain = trustDomain
    this.#clock = clock
    this.#server = new StreamServer(transport, 'SpiffeWorkloadAPI', {
      admit: (rpc, metadata, request) => this.#admit(rpc, metadata, request),
      stream: (rpc, stream) => this.#open(rpc, stream),
      unary: (rpc, request) => this.#answer(rpc, request),
    })
  }

  static async start(options: FakeWorkloadApiOptions = {}): Promise<FakeWorkloadApi> {
    const { trustDomain = 'example.org', clock = systemClock, transport = 'unix' } = options
    const own = await TestTrustDomain.create(trustDomain, clock)
    const api = new FakeWorkloadApi(own, clock, transport)
    await api.#server.listen()
    return api
  }

  /** For `SPIFFE_ENDPOINT_SOCKET`, or the `endpoint` of a client or a source. */
  get endpoint(): string {
    return this.#server.endpoint
  }

  /** The calls that came in, oldest first; those that were refused too. */
  get calls(): readonly ReceivedCall[] {
    return this.#calls
  }

  /** Gives the workload an identity: the first is its default one. Again for one that it has: with a new SVID. */
  async grant(spiffeId: string, options: GrantOptions = {}): Promise<X509Svid> {
    const id = SpiffeId.parse(spiffeId)
    const owner = this.#ownerOf(id)
    const svid = await owner.issueX509(id, options)
    this.#granted.set(id, { ...options, spiffeId: id, owner, svid })
    this.push()
    return svid
  }

  /** Takes an identity away, or all of them; without any, streams end with PERMISSION_DENIED. */
  withdraw(spiffeId?: string): void {
    if (spiffeId === undefined) this.#granted.clear()
    else this.#granted.delete(spiffeId)
    this.push()
  }

  /** New X509-SVIDs for all identities; with `authorities: true` from new authorities, beside which the old stay. */
  async rotate({ authorities = false }: { readonly authorities?: boolean } = {}): Promise<void> {
    const owners = new Set([this.trustDomain, ...this.#federated.values()])
    if (authorities) await Promise.all([...owners].map((owner) => owner.rotate()))
    for (const one of this.#granted.values()) {
      one.svid = await one.owner.issueX509(one.spiffeId, one)
    }
    this.push()
  }

  /** The workload may verify SVIDs of this trust domain too, and be granted IDs of it. */
  federate(trustDomain: TestTrustDomain): void {
    this.#federated.set(trustDomain.name, trustDomain)
    this.push()
  }

  unfederate(trustDomain: TestTrustDomain): void {
    this.#federated.delete(trustDomain.name)
    this.push()
  }

  /** Says what there is, on every open stream. */
  push(): void {
    for (const [stream, rpc] of [...this.#streams]) this.#say(rpc, stream)
  }

  /** Sends this message, or bytes that are none, on the open streams of a call. */
  send(rpc: WorkloadRpc, message: WorkloadMessage | Buffer): void {
    for (const [stream, its] of [...this.#streams]) if (its === rpc) stream.send(message)
  }

  /** From now on calls that are no streams are answered with this; undefined: no more. */
  answer(rpc: 'FetchJWTSVID' | 'ValidateJWTSVID', message: WorkloadMessage | undefined): void {
    if (message === undefined) this.#answers.delete(rpc)
    else this.#answers.set(rpc, message)
  }

  /** From now on calls of this RPC end with this status, OK (0) too, without an answer; undefined: no more. Running streams are left alone. */
  script(rpc: WorkloadRpc, status: CallStatus | undefined): void {
    if (status === undefined) this.#scripted.delete(rpc)
    else this.#scripted.set(rpc, status)
  }

  /** Ends the open streams with this status; with OK where none is given. */
  endStreams(status?: CallStatus): void {
    for (const stream of [...this.#streams.keys()]) stream.end(status)
  }

  /** Cuts all connections off; new ones are served. */
  dropConnections(): void {
    this.#server.cut()
  }

  /** Goes away: connections are cut off, and nobody listens until `listen`. */
  async stop(): Promise<void> {
    await this.#server.stop()
  }

  /** Comes back under the same endpoint. */
  async listen(): Promise<void> {
    await this.#server.listen()
  }

  async close(): Promise<void> {
    await this.#server.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #admit(rpc: string, metadata: Metadata, request: unknown): void {
    const securityHeader = metadata.get('workload.spiffe.io').map(String)
    this.#calls.push({ rpc, securityHeader, request })
    if (securityHeader.length !== 1 || securityHeader[0] !== 'true') {
      refuse(statuses.invalid, 'security header missing from request')
    }
    const scripted = this.#scripted.get(rpc)
    if (scripted !== undefined && scripted.code !== 0) throw new StatusError(scripted)
  }

  #open(rpc: string, stream: OpenStream): () => void {
    this.#streams.set(stream, rpc)
    if (this.#scripted.get(rpc)?.code === 0) stream.end()
    else this.#say(rpc, stream)
    return () => void this.#streams.delete(stream)
  }

  /** The whole state (Workload API §4.3), or that there is none. */
  #say(rpc: string, stream: OpenStream): void {
    if (this.#granted.size === 0) stream.end(denied)
    else if (rpc === 'FetchX509SVID') stream.send(this.#x509Svids())
    else if (rpc === 'FetchX509Bundles') stream.send({ bundles: this.#each(x509BundleDer) })
    else if (rpc === 'FetchJWTBundles') stream.send({ bundles: this.#each(jwtBundleJwks) })
    else stream.end({ code: statuses.unimplemented, message: 'not in this profile' })
  }

  async #answer(rpc: string, request: unknown): Promise<object> {
    const scripted = this.#answers.get(rpc)
    if (scripted !== undefined) return scripted
    return rpc === 'FetchJWTSVID'
      ? this.#jwtSvids(request as JWTSVIDRequest)
      : this.#validate(request as ValidateJWTSVIDRequest)
  }

  #x509Svids(): X509SVIDResponse$Input {
    const federated = [...this.#federated.values()]
    return {
      svids: [...this.#granted.values()].map(({ spiffeId, svid, owner, hint = '' }) => ({
        spiffe_id: spiffeId,
        x509_svid: Buffer.concat(svid.chain),
        x509_svid_key: svid.privateKey,
        bundle: x509BundleDer(owner.bundle),
        hint,
      })),
      federated_bundles: byId(federated, x509BundleDer),
    }
  }

  #each(write: (bundle: Bundle) => Buffer): Record<string, Buffer> {
    return byId([this.trustDomain, ...this.#federated.values()], write)
  }

  async #jwtSvids({ audience, spiffe_id: id }: JWTSVIDRequest): Promise<JWTSVIDResponse$Input> {
    if (audience.length === 0) refuse(statuses.invalid, 'audience must be specified')
    const asked = [...this.#granted.values()].filter(({ spiffeId }) => id === '' || id === spiffeId)
    if (asked.length === 0) throw new StatusError(denied)
    const svids = asked.map(async ({ spiffeId, owner, hint = '', jwtTtlSeconds }) => ({
      spiffe_id: spiffeId,
      svid: await owner.issueJwt(spiffeId, audience, { ttlSeconds: jwtTtlSeconds }),
      hint,
    }))
    return { svids: await Promise.all(svids) }
  }

  async #validate(request: ValidateJWTSVIDRequest): Promise<ValidateJWTSVIDResponse$Input> {
    const { audience, svid: token } = request
    const bundles = { bundleOf: (name: TrustDomain) => this.#find(name)?.bundle }
    try {
      const now = this.#clock.now()
      const { spiffeId, claims } = await verifyJwtSvid(token, { audience, bundles, now })
      return { spiffe_id: spiffeId, claims: toStruct(claims) }
    } catch (error) {
      if (!(error instanceof CountersignError)) throw error
      return refuse(statuses.invalid, error.message)
    }
  }

  #find(name: TrustDomain): TestTrustDomain | undefined {
    return name === this.trustDomain.name ? this.trustDomain : this.#federated.get(name)
  }

  #ownerOf(id: SpiffeId): TestTrustDomain {
    const owner = this.#find(SpiffeId.trustDomainOf(id))
    if (owner !== undefined) return owner
    throw new CountersignError('invalid', 'an identity is one of a trust domain that is known', {
      reason: 'testing-trust-domain',
      fix: 'federate with it first',
    })
  }
}

const denied: CallStatus = { code: statuses.forbidden, message: 'no identity issued' }

function refuse(code: number, message: string): never {
  throw new StatusError({ code, message })
}

function byId(
  trustDomains: readonly TestTrustDomain[],
  write: (bundle: Bundle) => Buffer,
): Record<string, Buffer> {
  return Object.fromEntries(
    trustDomains.map(({ name, bundle }) => [TrustDomain.toId(name), write(bundle)]),
  )
}
