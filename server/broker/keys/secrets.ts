import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { CountersignError } from '../../../src/errors.ts'
import { checkPrivateFile } from '../../../src/runtime/private-file.ts'
import { Secret } from '../../../src/runtime/secret.ts'
import type { Integration } from '../settings.ts'

const minLength = 8
const maxLength = 4096
const sealedPrefix = 'countersign-sealed-secret-v1 '
const nonceLength = 12
const tagLength = 16

/** What secrets are sealed with: 32 bytes for this one purpose. */
export interface SealingKey {
  deriveKey(purpose: string): Buffer
}

/** For which integration a secret is, and how a vendor is given it. */
export type SecretFor = Pick<Integration, 'id' | 'inject'>

/**
 * The secret from where the operator put it: printable ASCII, with blanks only within a password (`basic`); one newline
 * behind it is not part of it. Throws `invalid`: `secret-unreadable`, `secret-missing`, `secret-format`, `secret-short`, `secret-sealed`;
 * `forbidden`: `secret-mode`, `secret-owner`.
 */
export async function readSecret(
  integration: SecretFor & Pick<Integration, 'secret'>,
  from: { readonly env: Readonly<Record<string, string | undefined>>; readonly keys: SealingKey },
): Promise<Secret> {
  const { secret: source } = integration
  if (source.from === 'env') {
    const value = from.env[source.name]
    if (value === undefined) refuse('secret-missing', `${source.name} is not set`)
    return checked(value, source.name, integration)
  }
  const text = await readPrivateFile(source.path)
  if (source.from === 'file') return checked(text, source.path, integration)
  const opened = unseal(text.trim(), integration.id, from.keys, source.path)
  return checked(opened, source.path, integration)
}

/** One line of text that only these keys open, and for this integration alone. Throws as `readSecret`. */
export function sealSecret(text: string, integration: SecretFor, keys: SealingKey): string {
  const secret = checked(text, 'what is to be sealed', integration).reveal()
  const nonce = randomBytes(nonceLength)
  const cipher = createCipheriv('aes-256-gcm', sealingKey(keys), nonce, {
    authTagLength: tagLength,
  })
  cipher.setAAD(Buffer.from(integration.id))
  const body = Buffer.concat([cipher.update(secret, 'latin1'), cipher.final()])
  return `${sealedPrefix}${Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')}\n`
}

function unseal(line: string, integration: string, keys: SealingKey, path: string): string {
  const bytes = Buffer.from(line.slice(sealedPrefix.length), 'base64url')
  try {
    if (!line.startsWith(sealedPrefix)) throw new Error('not a sealed secret')
    const decipher = createDecipheriv(
      'aes-256-gcm',
      sealingKey(keys),
      bytes.subarray(0, nonceLength),
      {
        authTagLength: tagLength,
      },
    )
    decipher.setAAD(Buffer.from(integration))
    decipher.setAuthTag(bytes.subarray(nonceLength, nonceLength + tagLength))
    const body = bytes.subarray(nonceLength + tagLength)
    return Buffer.concat([decipher.update(body), decipher.final()]).toString('latin1')
  } catch {
    throw new CountersignError(
      'invalid',
      `${path} does not open for the integration ${integration}`,
      {
        reason: 'secret-sealed',
        fix: 'seal it for this integration, with the wrapping key that this broker has: countersign broker seal',
      },
    )
  }
}

function sealingKey(keys: SealingKey): Buffer {
  return keys.deriveKey('broker secrets')
}

/** Neither a link into somebody else's folder nor a pipe that never answers, and nobody else's to read. */
async function readPrivateFile(path: string): Promise<string> {
  const file = await open(
    path,
    constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  ).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ELOOP') throw isLink(path)
    return refuse('secret-unreadable', `${path} cannot be read`, cause)
  })
  try {
    const stat = await file.stat()
    if (!stat.isFile()) refuse('secret-unreadable', `${path} is not a file`)
    if (stat.uid !== process.getuid?.() && stat.uid !== 0) {
      throw new CountersignError('forbidden', `${path} belongs to another user`, {
        reason: 'secret-owner',
        fix: `chown ${process.getuid?.()} ${path}`,
      })
    }
    checkPrivateFile(path, stat, 'secret-mode')
    if (stat.size > 2 * maxLength) refuse('secret-format', `${path} is too large for a secret`)
    return await file.readFile('latin1')
  } finally {
    await file.close()
  }
}

/** The value itself is in no message. */
function checked(text: string, where: string, { inject }: SecretFor): Secret {
  const value = text.replace(/\r?\n$/, '')
  if (value.length < minLength) {
    refuse('secret-short', `${where} holds less than ${minLength} characters`)
  }
  if (value.length > maxLength || !/^[\x21-\x7e][\x20-\x7e]*[\x21-\x7e]$/.test(value)) {
    refuse('secret-format', `${where} does not hold one line of printable ASCII`)
  }
  // Whoever repeats the key repeats it without a scheme that stands before it, and would hand it out.
  if (inject.kind !== 'basic' && value.includes(' ')) {
    throw new CountersignError(
      'invalid',
      `${where} holds more than a key: there is a blank in it`,
      {
        reason: 'secret-format',
        fix: 'let it hold the key alone, and write a scheme before it as prefix: inject: {header: Authorization, prefix: "Bearer "}',
      },
    )
  }
  return new Secret(value)
}

function refuse(reason: string, message: string, cause?: unknown): never {
  throw new CountersignError('invalid', message, {
    reason,
    fix: 'let the integration’s secret name a file of mode 600, or a variable, that holds the key alone',
    cause,
  })
}

function isLink(path: string): CountersignError {
  return new CountersignError('invalid', `${path} is a symbolic link`, {
    reason: 'secret-unreadable',
    fix: 'name the file itself; of a volume of Kubernetes it is FOLDER/..data/NAME',
  })
}
