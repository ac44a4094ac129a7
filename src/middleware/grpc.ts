import {
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from '@grpc/grpc-js'
import { CountersignError } from '../errors.ts'
import { toStatus } from '../rpc/status.ts'
import { type JwtPeer, jwtCheck, type RequireJwtSvidOptions } from './jwt-check.ts'

type AuthContext = ReturnType<ServerInterceptingCallInterface['getAuthContext']>

/** A call, as a handler has it. */
export interface AuthenticatedCall {
  getAuthContext(): AuthContext
}

/** What was learnt of who makes a call, from `read` of that call. */
export interface Learnt<T> {
  readonly mark: symbol
  read(call: AuthenticatedCall): T | undefined
}

export function learnt<T>(what: string): Learnt<T> {
  const mark = Symbol(what)
  return {
    mark,
    read: (call) => (call.getAuthContext() as AuthContext & { readonly [mark]?: T })[mark],
  }
}

const peer = learnt<JwtPeer>('jwt peer')

/**
 * An interceptor for a `Server` of `@grpc/grpc-js` that lets in calls with a JWT-SVID in the metadata
 * `authorization: Bearer`, as the middleware for HTTP does; a handler asks `jwtPeerOf(call)`. Ends all
 * others with UNAUTHENTICATED, PERMISSION_DENIED or INVALID_ARGUMENT before a message is read. Throws
 * `invalid`, `audience-missing`.
 */
export function requireJwtSvid(options: RequireJwtSvidOptions): ServerInterceptor {
  const check = jwtCheck(options)
  return (_, call) => new CheckedCall(call, peer, check)
}

/** Who called. Throws `unauthenticated`, `peer-unchecked`, where no `requireJwtSvid` stands before the handler. */
export function jwtPeerOf(call: AuthenticatedCall): JwtPeer {
  const found = peer.read(call)
  if (found !== undefined) return found
  throw new CountersignError('unauthenticated', 'nobody checked who sent this call', {
    reason: 'peer-unchecked',
    fix: 'give the server the interceptor requireJwtSvid',
  })
}

/** Which messages of a call are checked like its metadata: those of a stream may come long after that. */
export interface CheckedMessages {
  readonly requestStream: boolean
  readonly responseStream: boolean
}

/**
 * Goes on where the check of all `authorization` in its metadata does not reject, and keeps for the handler what that learnt.
 * So it does with each of the messages that are to be checked.
 */
export class CheckedCall<T> extends ServerInterceptingCall {
  readonly #mark: symbol
  #found: T | undefined

  constructor(
    next: ServerInterceptingCallInterface,
    { mark }: Learnt<T>,
    check: (bearers: readonly string[]) => Promise<T>,
    { requestStream, responseStream }: CheckedMessages = {
      requestStream: false,
      responseStream: false,
    },
  ) {
    let shown: readonly string[] = []
    const checked = (pass: () => void): void => {
      check(shown).then(
        (found) => {
          this.#found = found
          pass()
        },
        (error: unknown) => next.sendStatus(toStatus(error)),
      )
    }
    super(next, {
      start: (start) =>
        start({
          onReceiveMetadata: (metadata, pass) => {
            shown = metadata.get('authorization').map(String)
            checked(() => pass(metadata))
          },
          onReceiveMessage: (message, pass) => {
            if (requestStream) checked(() => pass(message))
            else pass(message)
          },
        }),
      sendMessage: (message, pass) => {
        if (responseStream) checked(() => pass(message))
        else pass(message)
      },
    })
    this.#mark = mark
  }

  override getAuthContext(): AuthContext {
    return { ...super.getAuthContext(), [this.#mark]: this.#found } as AuthContext
  }
}
