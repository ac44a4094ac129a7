import { CallCredentials, Metadata } from '@grpc/grpc-js'
import type { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import { toStatus } from './status.ts'

/** Whose token is sent, and to whom. */
export interface CallJwtOptions {
  /** A `JwtSource`. */
  readonly source: {
    fetchJwtSvid(
      audience: string | readonly string[],
      options: { readonly spiffeId?: SpiffeId },
    ): Promise<{ readonly token: string }>
  }
  /** Who the service is that is called; whoever gets a token can use it with all of them. */
  readonly audience: string | readonly string[]
  /** The default identity unless told. */
  readonly spiffeId?: SpiffeId
}

/**
 * Credentials that send a JWT-SVID with each call, in the metadata `authorization: Bearer` (JWT-SVID
 * §5.3): `channelCredentials.compose(createCallCredentials(…))`. Where there is no token the call is not
 * made, and ends with the status of why. Compose them with credentials of a channel that is encrypted:
 * those that are given to one call alone `@grpc/grpc-js` sends over a plain connection too.
 */
export function createCallCredentials(options: CallJwtOptions): CallCredentials {
  const { source, audience, spiffeId } = options
  const whose = spiffeId === undefined ? {} : { spiffeId }
  return CallCredentials.createFromMetadataGenerator((_, answer) => {
    source.fetchJwtSvid(audience, whose).then(
      ({ token }) => {
        const metadata = new Metadata()
        metadata.set('authorization', `Bearer ${token}`)
        answer(null, metadata)
      },
      (error: unknown) => {
        const { code, details } = toStatus(error)
        answer(Object.assign(new Error(details), { code }))
      },
    )
  })
}
