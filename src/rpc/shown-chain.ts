import { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import { readCertificate } from '../x509/certificate.ts'
import { subjectText } from '../x509/subject.ts'
import { secondsOf, spiffeIdToWire } from './convert.ts'
import type { SPIFFEID$Input } from './gen/spire/api/types/SPIFFEID.ts'

/** `svid_chain` of both `GetInfo`: what the certificates of a chain say, leaf first. */
export function shownChain(chain: readonly Buffer[]): readonly {
  readonly id?: SPIFFEID$Input
  readonly expires_at: string
  readonly subject: string
}[] {
  return chain.map((der) => {
    const { uris, notAfter } = readCertificate(der)
    const id = SpiffeId.tryParse(uris[0] ?? '')
    return {
      ...(id !== undefined && { id: spiffeIdToWire(id) }),
      expires_at: secondsOf(notAfter),
      subject: subjectText(der),
    }
  })
}
