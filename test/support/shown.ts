import { toPem } from '../../src/x509/pem.ts'

/** What a TLS client shows of an identity, as `node:tls` takes it. */
export function shownBy(identity: {
  readonly chain: readonly Uint8Array[]
  readonly privateKey: Uint8Array
}): { readonly cert: string; readonly key: string } {
  return {
    cert: identity.chain.map((der) => toPem('CERTIFICATE', der)).join(''),
    key: toPem('PRIVATE KEY', identity.privateKey),
  }
}
