import { createHash } from 'node:crypto'
import { createClient } from '../rpc/client.ts'
import type { RpcChannel } from '../rpc/dial.ts'
import { readCertificate } from '../x509/certificate.ts'

/** SHA-256 of the public keys of the server's CAs, lower-case hex: what an agent is told to believe. */
export async function caKeyHashes(channel: RpcChannel): Promise<string[]> {
  const bundle = await createClient('spire.api.server.bundle.v1.Bundle', channel).unary(
    'GetBundle',
    { output_mask: { x509_authorities: true } },
  )
  return bundle.x509_authorities
    .filter((authority) => !authority.tainted)
    .map(({ asn1 }) => createHash('sha256').update(readCertificate(asn1).spki).digest('hex'))
}
