import type { Metadata } from '@grpc/grpc-js'
import { CountersignError } from '../errors.ts'
import type { JWTSVIDRequest } from '../rpc/gen/JWTSVIDRequest.ts'
import type { ValidateJWTSVIDRequest } from '../rpc/gen/ValidateJWTSVIDRequest.ts'
import { toStruct } from '../rpc/struct.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import type { TrustDomain } from '../spiffe-id/spiffe-id.ts'
import { verifyJwtSvid } from '../svid/jwt-svid.ts'
import type { X509Svid } from '../svid/x509-svid.ts'
import { Entitlements } from './entitlements.ts'
import type {
  CallStatus,
  FakeWorkloadApiOptions,
  GrantOptions,
  ReceivedCall,
  Transport,
  WorkloadMessage,
  WorkloadRpc,
} from './script.ts'
import { type OpenStream, StatusError, StreamServer } from './stream-server.ts'
import { TestTrustDomain } from './trust-domain.ts'

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
  readonly #has: Entitlements
  readonly #scripted = new Map<string, CallStatus>()
  readonly #answers = new Map<string, WorkloadMessage>()
  readonly #calls: ReceivedCall[] = []

  private constructor(trustDomain: TestTrustDomain, clock: Clock, transport: Transport) {
    this.trustDomain = trustDomain
    this.#has = new Entitlements(trustDomain)
    this.#clock = clock
    this.#server = new StreamServer(transport, 'SpiffeWorkloadAPI', {
      admit: (rpc, metadata, request) => this.#admit(rpc, metadata, request),
      stream: (rpc, stream) => this.#open(rpc, stream),
      unary: (rpc, request) => this.#answer(rpc, request),
    })
  }

  /** Listens, and grants nothing yet. */
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

  /**
   * Gives the workload an identity: the first is its default one. Again for one that it has: with a new
   * SVID. Throws `invalid`: `spiffe-id-…`, `testing-trust-domain`, `lint-…`.
   */
  async grant(spiffeId: string, options: GrantOptions = {}): Promise<X509Svid> {
    const svid = await this.#has.grant(spiffeId, options)
    this.push()
    return svid
  }

  /** Takes an identity away, or all of them; without any, streams end with PERMISSION_DENIED. */
  withdraw(spiffeId?: string): void {
    this.#has.withdraw(spiffeId)
    this.push()
  }

  /** New X509-SVIDs for all identities; with `authorities: true` from new authorities, beside which the old stay. */
  async rotate({ authorities = false }: { readonly authorities?: boolean } = {}): Promise<void> {
    await this.#has.rotate(authorities)
    this.push()
  }

  /** The workload may verify SVIDs of this trust domain too, and be granted IDs of it. */
  federate(trustDomain: TestTrustDomain): void {
    this.#has.federate(trustDomain)
    this.push()
  }

  /** Takes a trust domain away again. */
  unfederate(trustDomain: TestTrustDomain): void {
    this.#has.unfederate(trustDomain)
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

  /** Ends for good; twice is once. */
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
    if (this.#has.none) stream.end(denied)
    else if (rpc === 'FetchX509SVID') stream.send(this.#has.x509Svids())
    else if (rpc === 'FetchX509Bundles') stream.send(this.#has.x509Bundles())
    else if (rpc === 'FetchJWTBundles') stream.send(this.#has.jwtBundles())
    else stream.end({ code: statuses.unimplemented, message: 'not in this profile' })
  }

  async #answer(rpc: string, request: unknown): Promise<object> {
    const scripted = this.#answers.get(rpc)
    if (scripted !== undefined) return scripted
    return rpc === 'FetchJWTSVID'
      ? this.#jwtSvids(request as JWTSVIDRequest)
      : this.#validate(request as ValidateJWTSVIDRequest)
  }

  async #jwtSvids({ audience, spiffe_id: id }: JWTSVIDRequest): Promise<object> {
    if (audience.length === 0) refuse(statuses.invalid, 'audience must be specified')
    const svids = await this.#has.jwtSvids(audience, id)
    if (svids === undefined) throw new StatusError(denied)
    return svids
  }

  async #validate({ audience, svid: token }: ValidateJWTSVIDRequest): Promise<object> {
    const bundles = { bundleOf: (name: TrustDomain) => this.#has.trustDomain(name)?.bundle }
    try {
      const now = this.#clock.now()
      const { spiffeId, claims } = await verifyJwtSvid(token, { audience, bundles, now })
      return { spiffe_id: spiffeId, claims: toStruct(claims) }
    } catch (error) {
      if (!(error instanceof CountersignError)) throw error
      return refuse(statuses.invalid, error.message)
    }
  }
}

const denied: CallStatus = { code: statuses.forbidden, message: 'no identity issued' }

function refuse(code: number, message: string): never {
  throw new StatusError({ code, message })
}
