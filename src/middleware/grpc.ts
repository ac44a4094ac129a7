import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from '@grpc/grpc-js'
import { CountersignError } from '../errors.ts'
import { toStatus } from '../rpc/status.ts'
import { type JwtCheck, type JwtPeer, jwtCheck, type RequireJwtSvidOptions } from './jwt-check.ts'

type AuthContext = ReturnType<ServerInterceptingCallInterface['getAuthContext']>

const mark = Symbol('jwt peer')

/**
 * An interceptor for a `Server` of `@grpc/grpc-js` that lets in calls with a JWT-SVID in the metadata
 * `authorization: Bearer`, as the middleware for HTTP does; a handler asks `jwtPeerOf(call)`. Ends all
 * others with UNAUTHENTICATED, PERMISSION_DENIED or INVALID_ARGUMENT before a message is read. Throws
 * `invalid`, `audience-missing`.
 */
export function requireJwtSvid(options: RequireJwtSvidOptions): ServerInterceptor {
  const check = jwtCheck(options)
  return (_, call) => new CheckedCall(call, check)
}

/** Who called. Throws `unauthenticated`, `peer-unchecked`, where no `requireJwtSvid` stands before the handler. */
export function jwtPeerOf(call: { getAuthContext(): AuthContext }): JwtPeer {
  const { [mark]: peer } = call.getAuthContext() as AuthContext & { readonly [mark]?: JwtPeer }
  if (peer !== undefined) return peer
  throw new CountersignError('unauthenticated', 'nobody checked who sent this call', {
    reason: 'peer-unchecked',
    fix: 'give the server the interceptor requireJwtSvid',
  })
}

class CheckedCall extends ServerInterceptingCall {
  #peer: JwtPeer | undefined

  constructor(next: ServerInterceptingCallInterface, check: JwtCheck) {
    super(next, {
      start: (start) =>
        start({
          onReceiveMetadata: (metadata, pass) => {
            check(bearersOf(metadata)).then(
              (peer) => {
                this.#peer = peer
                pass(metadata)
              },
              (error: unknown) => next.sendStatus(toStatus(error)),
            )
          },
        }),
    })
  }

  override getAuthContext(): AuthContext {
    return { ...super.getAuthContext(), [mark]: this.#peer } as AuthContext
  }
}

function bearersOf(metadata: Metadata): readonly string[] {
  return metadata.get('authorization').map(String)
}
