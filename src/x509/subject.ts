import { X509Certificate } from 'node:crypto'

/** The subject of a certificate, DER, as text (RFC 4514, attribute names in capitals): `O=SPIRE,C=US`. */
export function subjectText(der: Buffer): string {
  // One attribute a line, in the order of the certificate, special characters escaped.
  const { subject } = new X509Certificate(der)
  return (subject ?? '')
    .split('\n')
    .reverse()
    .map((part) => part.replace(/^[^=]+/, (name) => name.toUpperCase()))
    .join(',')
}
