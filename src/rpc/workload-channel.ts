import type { ChannelCredentials } from '@grpc/grpc-js'
import { type MtlsOptions, secureMtls } from '../mtls/mutual-tls.ts'
import { HandledCredentials } from './handled-credentials.ts'

/** Whom to be, and whom to call. */
export type ChannelMtlsOptions = Omit<MtlsOptions, 'alpn'>

/**
 * Credentials for any client of `@grpc/grpc-js`: each connection shows the SVID that the source has by
 * then, to a server that `authorize` lets in. Where none is let in, or the source has no SVID, calls
 * fail with UNAVAILABLE.
 */
export function createChannelCredentials(options: ChannelMtlsOptions): ChannelCredentials {
  return new HandledCredentials({
    encrypted: true,
    attempting: () => {},
    handle: async (raw) => (await secureMtls(raw, { ...options, alpn: ['h2'] })).socket,
  })
}
