import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { replaceFile } from '../../src/runtime/replace-file.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { generateKeyPair, type Signer, spkiOf, subjectKeyIdOf } from '../../src/x509/key.ts'
import { type HeadOfTrail, signHead } from './sign-head.ts'

/** Keys for heads where there is no store: sealed, in a file beside the trail. */
export interface HeadKeyFile {
  /** Signs; replaces keys that are due, each announced by heads of the one before. Throws as `Sealing`. */
  sign(head: HeadOfTrail): Promise<string>
}

/** As a `KeyManager` seals. */
interface Sealing {
  seal(privateKey: Parameters<typeof spkiOf>[0], about: About): Promise<Buffer>
  open(sealed: Buffer, about: About): Promise<Signer>
}

interface About {
  readonly trustDomain: TrustDomain
  readonly keyId: string
  readonly purpose: 'trail'
  readonly publicKey: Buffer
}

const lifeMs = 86_400_000
/** With half of its life left a key's successor is made, and takes over with a sixth of it left. */
const prepareMs = lifeMs / 2
const activateMs = lifeMs / 6

const bytes = z.base64().max(4096)
const fileSchema = z.strictObject({
  version: z.literal(1),
  keys: z
    .array(z.strictObject({ publicKey: bytes, sealed: bytes, endsAt: z.iso.datetime() }))
    .max(2),
})
type StoredKey = z.infer<typeof fileSchema>['keys'][number]

/** `path` is made at the first head. Throws `invalid` `head-keys-file` where it is something else. */
export function openHeadKeyFile(
  path: string,
  deps: { readonly keys: Sealing; readonly trustDomain: TrustDomain; readonly clock: Clock },
): HeadKeyFile {
  const { keys, trustDomain, clock } = deps
  let stored = readKeys(path)
  let open: { readonly of: string; readonly signer: Signer } | undefined
  const about = (publicKey: Buffer): About => {
    const keyId = subjectKeyIdOf(publicKey).toString('hex')
    return { trustDomain, keyId, purpose: 'trail', publicKey }
  }
  const make = async (): Promise<StoredKey> => {
    const { privateKey } = await generateKeyPair('ec-p256')
    const publicKey = spkiOf(privateKey)
    const sealed = await keys.seal(privateKey, about(publicKey))
    return {
      publicKey: publicKey.toString('base64'),
      sealed: sealed.toString('base64'),
      endsAt: new Date(clock.now().getTime() + lifeMs).toISOString(),
    }
  }
  /** The one that signs, and its successor where there is one by now. */
  const due = async (): Promise<readonly StoredKey[]> => {
    const left = (key: StoredKey): number => Date.parse(key.endsAt) - clock.now().getTime()
    const [active, next] = stored.filter((key) => left(key) > 0)
    if (active === undefined) {
      // Away, or idle, for longer than a key lives: the last one says once more which comes after it.
      const last = stored.at(-1)
      return last === undefined ? [await make()] : [last, await make()]
    }
    if (next === undefined) return left(active) > prepareMs ? [active] : [active, await make()]
    return left(active) > activateMs ? [active, next] : [next]
  }
  return {
    async sign(head) {
      const now = await due()
      if (now.length !== stored.length || now.some((key, at) => key !== stored[at])) {
        replaceFile(path, `${JSON.stringify({ version: 1, keys: now })}\n`)
        stored = now
      }
      const [active, ...prepared] = now as [StoredKey, ...StoredKey[]]
      const publicKey = Buffer.from(active.publicKey, 'base64')
      if (open?.of !== active.publicKey) {
        const signer = await keys.open(Buffer.from(active.sealed, 'base64'), about(publicKey))
        open = { of: active.publicKey, signer }
      }
      const { keyId } = about(publicKey)
      const next = prepared.map((key) => Buffer.from(key.publicKey, 'base64'))
      const by = { trustDomain, keyId, signer: open.signer, prepared: next }
      return signHead(head, by, clock.now())
    },
  }
}

function readKeys(path: string): readonly StoredKey[] {
  try {
    return fileSchema.parse(JSON.parse(readFileSync(path, 'utf8'))).keys
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw new CountersignError('invalid', `${path} does not hold keys for heads of the trail`, {
      reason: 'head-keys-file',
      fix: 'move it away: a new key is made, and "audit verify" tells of it',
      cause,
    })
  }
}
