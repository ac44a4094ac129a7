import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPair, softwareSigner } from '../../src/x509/key.ts'
import { toPem } from '../../src/x509/pem.ts'
import { certify, party, partyWith } from './x509-fixtures.ts'

export interface WebCertificate {
  readonly folder: string
  /** PEM files: the certificate, its key (0600), and the CA that clients are to trust. */
  readonly certificate: string
  readonly key: string
  readonly ca: string
}

/** A certificate for a host's names, valid today, in a folder of its own. */
export async function webCertificate(
  host: string,
  ...more: readonly string[]
): Promise<WebCertificate> {
  const day = 86_400_000
  const dates = { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + day) }
  const issuer = await party('web CA')
  const ca = await certify(issuer, issuer, { ca: true, ...dates })
  const { privateKey } = await generateKeyPair('ec-p256')
  const leaf = await certify(partyWith(host, softwareSigner(privateKey)), ca, {
    dnsNames: [host, ...more],
    ...dates,
  })
  const folder = mkdtempSync(join(tmpdir(), 'cs-web-'))
  const write = (name: string, pem: string): string => {
    const path = join(folder, name)
    writeFileSync(path, pem, { mode: 0o600 })
    return path
  }
  const pkcs8 = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  return {
    folder,
    certificate: write('certificate.pem', toPem('CERTIFICATE', leaf.der)),
    key: write('key.pem', pkcs8),
    ca: write('ca.pem', toPem('CERTIFICATE', ca.der)),
  }
}
