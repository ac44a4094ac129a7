import { CountersignError } from '../errors.ts'

export interface PemBlock {
  /** `CERTIFICATE`, `PRIVATE KEY`, … */
  readonly label: string
  readonly der: Buffer
}

const MAX_PEM_CHARACTERS = 4 * 1024 * 1024
const MAX_BLOCKS = 1000
const BEGIN = '-----BEGIN '
const DASHES = '-----'
const LINE = 64

/** One block of text (RFC 7468), lines of 64, a line feed at the end. */
export function toPem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der).toString('base64')
  const lines: string[] = []
  for (let at = 0; at < base64.length; at += LINE) lines.push(base64.slice(at, at + LINE))
  return `${BEGIN}${label}${DASHES}\n${lines.join('\n')}\n-----END ${label}${DASHES}\n`
}

function refuse(message: string): never {
  throw new CountersignError('invalid', message, { reason: 'pem-malformed' })
}

/**
 * Every block of a text, in order; what stands between blocks is skipped. Headers and encryption of
 * the old kind are refused. At most 4 MiB and 1,000 blocks. Throws `invalid`, reason `pem-malformed`.
 */
export function fromPem(text: string): PemBlock[] {
  if (text.length > MAX_PEM_CHARACTERS) refuse('the PEM text is too long')
  const blocks: PemBlock[] = []
  let at = 0
  for (;;) {
    const begin = text.indexOf(BEGIN, at)
    if (begin === -1) return blocks
    if (blocks.length === MAX_BLOCKS) refuse('the PEM text has too many blocks')
    const labelEnd = text.indexOf(DASHES, begin + BEGIN.length)
    const label = labelEnd === -1 ? '' : text.slice(begin + BEGIN.length, labelEnd)
    if (!isLabel(label)) refuse('a PEM block has no proper label')
    const bodyAt = labelEnd + DASHES.length
    const end = text.indexOf('-', bodyAt)
    const closing = `-----END ${label}${DASHES}`
    if (end === -1 || !text.startsWith(closing, end)) refuse(`the PEM block ${label} does not end`)
    blocks.push({ label, der: decode(text.slice(bodyAt, end)) })
    at = end + closing.length
  }
}

function isLabel(label: string): boolean {
  if (label.length === 0 || label.length > LINE) return false
  for (const c of label) {
    if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c === ' ')) return false
  }
  return true
}

/** Node's decoder skips what it does not know, so that the text must come out the same again. */
function decode(body: string): Buffer {
  const base64 = body.replaceAll(/[ \t\r\n]/g, '')
  const der = Buffer.from(base64, 'base64')
  if (der.length === 0 || der.toString('base64') !== base64) refuse('a PEM block is not base64')
  return der
}
