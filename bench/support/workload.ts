import { serviceDefinition } from '../../src/rpc/services.ts'
import { firstMessage, frame, h2Unix } from './h2.ts'

const { FetchX509SVID, FetchJWTSVID } = serviceDefinition('SpiffeWorkloadAPI')

export const x509Path: string = FetchX509SVID.path
export const x509Request: Buffer = frame(Buffer.alloc(0))
export const jwtPath: string = FetchJWTSVID.path
export const jwtRequest: Buffer = frame(
  FetchJWTSVID.requestSerialize({ audience: ['bench'], spiffe_id: '' }),
)

/** Asks until there is an identity; how many milliseconds that took. */
export async function untilServed(socket: string): Promise<number> {
  const startMs = performance.now()
  const session = await h2Unix(socket)
  try {
    for (;;) {
      try {
        await firstMessage(session, x509Path, x509Request)
        return Math.round(performance.now() - startMs)
      } catch (error) {
        if (performance.now() - startMs > 120_000) throw error
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
  } finally {
    session.destroy()
  }
}
