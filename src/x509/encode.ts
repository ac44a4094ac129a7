import {
  boolean,
  element,
  octetString,
  oid,
  printableString,
  sequence,
  set,
  utf8String,
} from './der-write.ts'
import { NAME_TAG } from './general-name.ts'
import { OID } from './oids.ts'

/** One extension (RFC 5280 §4.1.2.9) around its value, DER. */
export function extension(id: string, value: Buffer, critical = false): Buffer {
  return critical
    ? sequence(oid(id), boolean(true), octetString(value))
    : sequence(oid(id), octetString(value))
}

/** GeneralNames: the URIs first, then the DNS names. */
export function subjectAltName(uris: readonly string[], dnsNames: readonly string[]): Buffer {
  return sequence(
    ...uris.map((uri) => element(NAME_TAG.uri, Buffer.from(uri, 'latin1'))),
    ...dnsNames.map((name) => element(NAME_TAG.dns, Buffer.from(name, 'latin1'))),
  )
}

function relativeName(id: string, value: Buffer): Buffer {
  return set(sequence(oid(id), value))
}

const COUNTRY = relativeName(OID.country, printableString('US'))
const ORGANIZATION = relativeName(OID.organization, printableString('COUNTERSIGN'))

/** `C=US, O=COUNTERSIGN`, and what is given after it. */
export function nameOf(parts: { commonName?: string; serialNumber?: string }): Buffer {
  return sequence(
    COUNTRY,
    ORGANIZATION,
    ...(parts.commonName === undefined
      ? []
      : [relativeName(OID.commonName, utf8String(parts.commonName))]),
    ...(parts.serialNumber === undefined
      ? []
      : [relativeName(OID.serialNumber, printableString(parts.serialNumber))]),
  )
}
