import { type DerReader, malformed, TAG } from './der.ts'

/** The names of a SubjectAltName that anything here looks at. */
export interface AlternativeNames {
  readonly uris: readonly string[]
  readonly dnsNames: readonly string[]
  /** 4 or 16 octets each. */
  readonly ipAddresses: readonly Buffer[]
  readonly emails: readonly string[]
  /** How many names of other forms there are. */
  readonly others: number
}

export const NO_NAMES: AlternativeNames = {
  uris: [],
  dnsNames: [],
  ipAddresses: [],
  emails: [],
  others: 0,
}

// GeneralName, RFC 5280 §4.2.1.6.
export const NAME_TAG = { email: 0x81, dns: 0x82, uri: 0x86, ip: 0x87 } as const
const OTHER_NAME_TAGS: ReadonlySet<number> = new Set([0xa0, 0xa3, 0xa4, 0xa5, 0x88])

/**
 * An IA5String's text. Control characters are refused: a name cut at a NUL by the next program is
 * another name.
 */
export function readIa5(content: Buffer): string {
  for (const octet of content) {
    if (octet < 0x20 || octet > 0x7e) throw malformed('name with a character that is not printable')
  }
  return content.toString('latin1')
}

/** The content of a SubjectAltName extension's value. Throws `invalid`, reason `der-malformed`. */
export function readAlternativeNames(value: DerReader): AlternativeNames {
  const names = value.read(TAG.sequence)
  value.finish()
  if (names.done) throw malformed('no alternative name')
  const uris: string[] = []
  const dnsNames: string[] = []
  const ipAddresses: Buffer[] = []
  const emails: string[] = []
  let others = 0
  while (!names.done) {
    const tag = names.peek()
    const content = names.read(tag).content()
    if (tag === NAME_TAG.uri) uris.push(readIa5(content))
    else if (tag === NAME_TAG.dns) dnsNames.push(readIa5(content))
    else if (tag === NAME_TAG.email) emails.push(readIa5(content))
    else if (tag === NAME_TAG.ip) ipAddresses.push(readIpAddress(content))
    else if (OTHER_NAME_TAGS.has(tag)) others++
    else throw malformed('unknown form of name')
  }
  return { uris, dnsNames, ipAddresses, emails, others }
}

function readIpAddress(content: Buffer): Buffer {
  if (content.length !== 4 && content.length !== 16) throw malformed('IP address')
  return content
}
