import { toPem } from '../../src/x509/pem.ts'

/** A certificate's chain (DER, leaf first) and its key (PKCS#8, DER). */
export interface Showable {
  readonly chain: readonly Uint8Array[]
  readonly privateKey: Uint8Array
}

/** What a TLS client shows of an identity, as `node:tls` takes it. */
export function shownBy(identity: Showable): { readonly cert: string; readonly key: string } {
  return {
    cert: identity.chain.map((der) => toPem('CERTIFICATE', der)).join(''),
    key: toPem('PRIVATE KEY', identity.privateKey),
  }
}
