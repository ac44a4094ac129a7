import { join } from 'node:path'
import { z } from 'zod'
import type { Bundle } from '../../src/bundle/bundle.ts'
import { parseBundleDocument, writeBundleDocument } from '../../src/bundle/document.ts'
import { CountersignError } from '../../src/errors.ts'
import { openPrivateFolder } from '../../src/runtime/private-folder.ts'
import { SpiffeId, type TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { type X509Svid, x509SvidFrom } from '../../src/svid/x509-svid.ts'
import {
  readPrivateFile,
  removePrivateFile,
  removeUnfinished,
  writePrivateFile,
} from './private-file.ts'

/**
 * What this agent authenticates with. `pending` is a renewed SVID that the server has not seen in
 * use: until it has, both count there, so that both are kept.
 */
export interface StoredIdentity {
  readonly current: X509Svid
  readonly pending: X509Svid | undefined
  /** Whether the node can be proved again without an operator. */
  readonly canReattest: boolean
}

/** The agent's data folder: its identity, and the bundle that it knows its servers by. */
export interface KeyStore {
  loadIdentity(): Promise<StoredIdentity | undefined>
  saveIdentity(identity: StoredIdentity): Promise<void>
  removeIdentity(): Promise<void>
  loadBundle(): Promise<Bundle | undefined>
  saveBundle(bundle: Bundle): Promise<void>
}

const maxFileBytes = 4 << 20

const svidSchema = z.strictObject({
  chain: z.array(z.base64()).min(1).max(10),
  private_key: z.base64(),
})

const identitySchema = z.strictObject({
  version: z.literal(1),
  can_reattest: z.boolean(),
  current: svidSchema,
  pending: svidSchema.optional(),
})

/**
 * Opens the folder, or makes it: 0700, its files 0600. Throws `forbidden` / `data-mode` where others
 * may look inside.
 */
export async function openKeyStore(folder: string, trustDomain: TrustDomain): Promise<KeyStore> {
  openPrivateFolder(folder)
  const identityPath = join(folder, 'identity.json')
  const bundlePath = join(folder, 'bundle.json')
  await removeUnfinished(identityPath)
  await removeUnfinished(bundlePath)
  // One write at a time, in the order in which they were asked for.
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = (write: () => Promise<void>): Promise<void> => {
    const done = last.then(write)
    last = done.catch(() => undefined)
    return done
  }
  return {
    async loadIdentity() {
      const bytes = await readPrivateFile(identityPath, maxFileBytes)
      const stored = bytes === undefined ? undefined : readIdentity(bytes, identityPath)
      if (stored !== undefined) refuseOther(stored, trustDomain, folder)
      return stored
    },
    saveIdentity: (identity) =>
      inTurn(() => writePrivateFile(identityPath, writeIdentity(identity))),
    removeIdentity: () => inTurn(() => removePrivateFile(identityPath)),
    async loadBundle() {
      const bytes = await readPrivateFile(bundlePath, maxFileBytes)
      return bytes === undefined ? undefined : readBundle(bytes, trustDomain, bundlePath)
    },
    saveBundle: (bundle) =>
      inTurn(() => writePrivateFile(bundlePath, Buffer.from(`${writeBundleDocument(bundle)}\n`))),
  }
}

/** One file for chain and key: they are never out of step. */
function writeIdentity(identity: StoredIdentity): Buffer {
  const { current, pending, canReattest } = identity
  return Buffer.from(
    JSON.stringify({
      version: 1,
      can_reattest: canReattest,
      current: svidToJson(current),
      ...(pending === undefined ? {} : { pending: svidToJson(pending) }),
    } satisfies z.infer<typeof identitySchema>),
  )
}

function svidToJson(svid: X509Svid): z.infer<typeof svidSchema> {
  return {
    chain: svid.chain.map((der) => der.toString('base64')),
    private_key: svid.privateKey.toString('base64'),
  }
}

function readIdentity(bytes: Buffer, path: string): StoredIdentity {
  try {
    const file = identitySchema.parse(JSON.parse(bytes.toString('utf8')))
    return {
      current: svidFromJson(file.current),
      pending: file.pending === undefined ? undefined : svidFromJson(file.pending),
      canReattest: file.can_reattest,
    }
  } catch {
    // Without the cause: it may quote a private key.
    throw damaged(path)
  }
}

function svidFromJson(svid: z.infer<typeof svidSchema>): X509Svid {
  return x509SvidFrom(
    svid.chain.map((der) => Buffer.from(der, 'base64')),
    Buffer.from(svid.private_key, 'base64'),
  )
}

function readBundle(bytes: Buffer, trustDomain: TrustDomain, path: string): Bundle {
  try {
    return parseBundleDocument(trustDomain, bytes.toString('utf8'))
  } catch {
    throw damaged(path)
  }
}

/** The agent of another trust domain would be ready, and serve what that has issued. */
function refuseOther({ current }: StoredIdentity, own: TrustDomain, folder: string): void {
  const there = SpiffeId.trustDomainOf(current.spiffeId)
  if (there === own) return
  throw new CountersignError(
    'conflict',
    `${folder} belongs to an agent of the trust domain ${there}, not of ${own}`,
    {
      reason: 'data-trust-domain',
      fix: 'correct the trust domain, or name another data folder',
    },
  )
}

function damaged(path: string): CountersignError {
  return new CountersignError('invalid', `${path} is damaged`, {
    reason: 'data-damaged',
    fix: `restore the file, or remove it and let the agent join again`,
  })
}
