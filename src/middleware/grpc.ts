import {
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from '@grpc/grpc-js'
import { CountersignError } from '../errors.ts'
import { toStatus } from '../rpc/status.ts'
import { type JwtPeer, jwtCheck, type RequireJwtSvidOptions } from './jwt-check.ts'

type AuthContext = ReturnType<ServerInterceptingCallInterface['getAuthContext']>
type Listener = Parameters<ServerInterceptingCallInterface['start']>[0]

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

/** What goes on being checked of a call: its messages may come long after its metadata, or not at all. */
export interface Lasting<T> {
  /** Which of its messages are checked like its metadata. */
  readonly requestStream: boolean
  readonly responseStream: boolean
  /** Calls back when what was learnt is good no more; the result lets go of it. */
  readonly whileGood: (found: T, onEnd: (why: unknown) => void) => () => void
}

/**
 * Goes on where the check of all `authorization` in its metadata does not reject, and keeps for the handler what that learnt.
 * A call that lasts is ended as soon as it would be refused: by one of its messages, or without any.
 */
export class CheckedCall<T> extends ServerInterceptingCall {
  readonly #mark: symbol
  #found: T | undefined
  #listener: Listener | undefined

  constructor(
    next: ServerInterceptingCallInterface,
    { mark }: Learnt<T>,
    check: (bearers: readonly string[]) => Promise<T>,
    lasting?: Lasting<T>,
  ) {
    let shown: readonly string[] = []
    let isOver = false
    let letGo = (): void => {}
    const over = (): void => {
      isOver = true
      letGo()
    }
    const end = (why: unknown): void => {
      if (isOver) return
      over()
      next.sendStatus(toStatus(why))
      // Not when the client has read what was sent before: it may never do so.
      this.#listener?.onCancel()
    }
    const checked = (pass: (found: T) => void): void => {
      check(shown).then((found) => {
        if (!isOver) pass(found)
      }, end)
    }
    super(next, {
      start: (start) =>
        start({
          onReceiveMetadata: (metadata, pass) => {
            shown = metadata.get('authorization').map(String)
            checked((found) => {
              this.#found = found
              if (lasting !== undefined) letGo = lasting.whileGood(found, end)
              pass(metadata)
            })
          },
          onReceiveMessage: (message, pass) => {
            if (lasting?.requestStream) checked(() => pass(message))
            else pass(message)
          },
          onCancel: over,
        }),
      sendMessage: (message, pass) => {
        if (lasting?.responseStream) checked(() => pass(message))
        else if (!isOver) pass(message)
      },
    })
    this.#mark = mark
  }

  override start(listener: Listener): void {
    this.#listener = toldOnce(listener)
    super.start(this.#listener)
  }

  override getAuthContext(): AuthContext {
    return { ...super.getAuthContext(), [this.#mark]: this.#found } as AuthContext
  }
}

/** A handler hears once that its call is over, whoever finds out first. */
function toldOnce(listener: Listener): Listener {
  let isTold = false
  return {
    onReceiveMetadata: (metadata) => listener.onReceiveMetadata(metadata),
    onReceiveMessage: (message) => listener.onReceiveMessage(message),
    onReceiveHalfClose: () => listener.onReceiveHalfClose(),
    onCancel() {
      if (isTold) return
      isTold = true
      listener.onCancel()
    },
  }
}
