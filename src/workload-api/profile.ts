import type { JWTBundlesResponse } from '../rpc/gen/JWTBundlesResponse.ts'
import type { X509BundlesResponse } from '../rpc/gen/X509BundlesResponse.ts'
import type { X509SVIDResponse } from '../rpc/gen/X509SVIDResponse.ts'

/** The streams of the Workload API, and what their messages are. */
export interface StreamMessages {
  readonly FetchX509SVID: X509SVIDResponse
  readonly FetchX509Bundles: X509BundlesResponse
  readonly FetchJWTBundles: JWTBundlesResponse
}

/** A stream, and how a message of it is read. `read` throws where the message is to be left out (§4.5). */
export interface Profile<R extends keyof StreamMessages, T> {
  readonly rpc: R
  readonly read: (message: StreamMessages[R]) => T
}
