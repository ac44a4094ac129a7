import { constants, type Http2Stream } from 'node:http2'
import type { Access } from './access-token.ts'
import { isWatchable, whileGood } from './shown-token.ts'

/** What it uses of a response, of `node:http` or `node:http2`, or of a socket. */
export interface Cuttable {
  readonly destroyed: boolean
  destroy(): unknown
  once(event: 'close', listener: () => void): unknown
  readonly stream?: Pick<Http2Stream, 'close' | 'destroyed'> | undefined
}

/** Cuts a response off that is open still when the token is good no more that its request was let in with. */
export function cutOffWith(access: Access, response: Cuttable): void {
  // The caller may have left meanwhile; and what another verifier has let in, nobody watches.
  const isGone = response.destroyed || response.stream?.destroyed === true
  if (isGone || !isWatchable(access)) return
  const stop = whileGood(access, () => cut(response))
  response.once('close', stop)
}

function cut(response: Cuttable): void {
  // Other streams of the connection go on. By any milder code the half of an answer may pass for the whole.
  if (response.stream) response.stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  else response.destroy()
}
