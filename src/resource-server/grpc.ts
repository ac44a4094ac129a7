import type { ServerInterceptor } from '@grpc/grpc-js'
import { CountersignError } from '../errors.ts'
import { type AuthenticatedCall, CheckedCall, learnt } from '../middleware/grpc.ts'
import { certificateOf } from '../rpc/workload-server.ts'
import { accessCheck, type RequireAccessTokenOptions } from './access-check.ts'
import { unchecked } from './access-of.ts'
import type { Access } from './access-token.ts'
import { isWatchable, whileGood as watch } from './shown-token.ts'

/** What a call has to bring. */
export interface RequireAccessTokenForCalls
  extends Omit<RequireAccessTokenOptions, 'scopes' | 'resourceMetadata'> {
  /** Method, as `/package.Service/Method` → what the token must allow. Others are called by nobody. */
  readonly methods: Readonly<Record<string, readonly string[]>>
}

const access = learnt<Access>('access')

/**
 * An interceptor for a `Server` of `@grpc/grpc-js` that lets in calls with a good access token, in the metadata
 * `authorization: Bearer`, that allows all of the scopes of their method; a handler asks `accessOf(call)`. Ends others
 * with UNAUTHENTICATED, PERMISSION_DENIED or INVALID_ARGUMENT before a message is read, and with UNAVAILABLE while the
 * verifier cannot say. A call that is open still when its token is good no more ends so then, as `whileGood` says; and each
 * message of a stream, in either direction, is let through only where the call would be let in anew. Throws `invalid`:
 * `scope-unsound`.
 */
export function requireAccessToken(options: RequireAccessTokenForCalls): ServerInterceptor {
  const { methods, ...others } = options
  const checks = new Map(
    Object.entries(methods).map(([path, scopes]) => [
      path,
      accessCheck({ ...others, scopes }).check,
    ]),
  )
  return (method, call) => {
    const check = async (bearers: readonly string[]): Promise<Access> => {
      const checkOne = checks.get(method.path)
      if (checkOne !== undefined) return checkOne(bearers, certificateOf(call))
      throw new CountersignError('forbidden', 'no scopes are known for this method', {
        reason: 'method-unlisted',
        fix: 'name it in `methods` of requireAccessToken',
      })
    }
    const { requestStream, responseStream } = method
    return new CheckedCall(call, access, check, { requestStream, responseStream, whileGood })
  }
}

// What another verifier has let in, nobody watches.
const whileGood: typeof watch = (found, onEnd) =>
  isWatchable(found) ? watch(found, onEnd) : () => {}

/**
 * What the token of a call allows. Throws `unauthenticated`, `access-unchecked`, where no `requireAccessToken` stands
 * before the handler.
 */
export function accessOf(call: AuthenticatedCall): Access {
  return access.read(call) ?? unchecked()
}
