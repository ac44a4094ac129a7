import type { JWTBundlesResponse$Input } from '../rpc/gen/JWTBundlesResponse.ts'
import type { JWTSVIDResponse$Input } from '../rpc/gen/JWTSVIDResponse.ts'
import type { ValidateJWTSVIDResponse$Input } from '../rpc/gen/ValidateJWTSVIDResponse.ts'
import type { X509BundlesResponse$Input } from '../rpc/gen/X509BundlesResponse.ts'
import type { X509SVIDResponse$Input } from '../rpc/gen/X509SVIDResponse.ts'
import type { Clock } from '../runtime/clock.ts'

/** How a call ends: a status code of gRPC, 0 to 16, and its text. */
export interface CallStatus {
  readonly code: number
  readonly message?: string
}

/** Where it listens: a socket in a folder of its own (0700), or a port of 127.0.0.1, which every local process may open. */
export type Transport = 'unix' | 'tcp'

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

/** What a `FakeWorkloadApi` starts with. */
export interface FakeWorkloadApiOptions {
  /** `example.org` unless told. */
  readonly trustDomain?: string
  /** What lifetimes are counted by; a `FakeClock` that the code under test is given too. */
  readonly clock?: Clock
  /** A Unix socket unless told. */
  readonly transport?: Transport
}

/** What an identity is given with. */
export interface GrantOptions {
  readonly hint?: string
  /** Of its X509-SVIDs. */
  readonly dnsNames?: readonly string[]
  /** Of its X509-SVIDs; 3600 unless told. */
  readonly ttlSeconds?: number
  /** Of its JWT-SVIDs; 300 unless told. */
  readonly jwtTtlSeconds?: number
}
