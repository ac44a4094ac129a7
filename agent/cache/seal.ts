import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { CountersignError } from '../../src/errors.ts'

// A sealed file: magic, length of the header, header (JSON), nonce, lines (AES-256-GCM), tag. Nobody
// without the key can read a line, or change anything of it, the header included.

const magic = Buffer.from('countersign-sealed-cache-3\n')
const nonceBytes = 12
const tagBytes = 16
const maxHeaderBytes = 8192
/** How much is encrypted before others get a turn. */
const sliceCharacters = 64 << 10

/** The file's bytes, made one slice after the other, so that it is nowhere in memory as a whole. */
export async function* seal(
  key: Buffer,
  header: object,
  lines: Iterable<string>,
): AsyncGenerator<Buffer, void, void> {
  const head = headerBytes(header)
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(head)
  yield Buffer.concat([head, nonce])
  let slice = ''
  for (const line of lines) {
    slice += line
    if (slice.length < sliceCharacters) continue
    yield cipher.update(slice, 'utf8')
    slice = ''
    await turn()
  }
  yield Buffer.concat([cipher.update(slice, 'utf8'), cipher.final(), cipher.getAuthTag()])
}

/** Throws `forbidden` / `sealed-cache`, or what the cipher throws, for anything that this key did not seal. */
export function unseal(key: Buffer, sealed: Buffer): { header: unknown; text: string } {
  const lengthAt = magic.length
  if (sealed.length < lengthAt + 4 || !sealed.subarray(0, lengthAt).equals(magic)) {
    throw sealRefused('this is no sealed cache')
  }
  const headerLength = sealed.readUInt32BE(lengthAt)
  const headEnd = lengthAt + 4 + headerLength
  const bodyAt = headEnd + nonceBytes
  if (headerLength > maxHeaderBytes || sealed.length < bodyAt + tagBytes) {
    throw sealRefused('the sealed cache is cut off')
  }
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(headEnd, bodyAt), {
    authTagLength: tagBytes,
  })
  decipher.setAAD(sealed.subarray(0, headEnd))
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes))
  const body = decipher.update(sealed.subarray(bodyAt, sealed.length - tagBytes))
  // Throws unless every byte, the header's too, is as it was written.
  decipher.final()
  const header: unknown = JSON.parse(sealed.subarray(lengthAt + 4, headEnd).toString('utf8'))
  return { header, text: body.toString('utf8') }
}

export function sealRefused(message: string): CountersignError {
  return new CountersignError('forbidden', message, { reason: 'sealed-cache' })
}

function headerBytes(header: object): Buffer {
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(json.length)
  return Buffer.concat([magic, length, json])
}
