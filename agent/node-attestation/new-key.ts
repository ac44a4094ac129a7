import { createCsr } from '../../src/x509/csr.ts'
import { generateKeyPair, type KeyKind, softwareSigner, spkiOf } from '../../src/x509/key.ts'

/** A new key and the request that asks for a certificate of it. */
export interface NewKey {
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Buffer
  /** PKCS#8, DER. */
  readonly privateKey: Buffer
  /** PKCS#10, DER. It names nothing: the ID comes from the entry. */
  readonly csr: Buffer
}

export type MakeKey = () => Promise<NewKey>

export async function makeNewKey(kind: KeyKind = 'ec-p256'): Promise<NewKey> {
  const { publicKey, privateKey } = await generateKeyPair(kind)
  return {
    spki: spkiOf(publicKey),
    privateKey: privateKey.export({ format: 'der', type: 'pkcs8' }),
    csr: await createCsr(softwareSigner(privateKey)),
  }
}
