import { createHash } from 'node:crypto'
import type { Bundle } from '../../src/bundle/bundle.ts'
import { CountersignError } from '../../src/errors.ts'
import { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { Identity, WorkloadUpdate } from '../cache/cache.ts'
import { encodeCertificate, encodePlainContext, encodeSpiffeContext } from './messages.ts'
import type { SdsConfig } from './names.ts'

/** What there is under a name for one workload at one moment. */
export type Found =
  /** The encoded `Secret`. The version is the same wherever and whenever the content is. */
  | { readonly kind: 'secret'; readonly version: string; readonly secret: Buffer }
  | { readonly kind: 'absent'; readonly error: CountersignError }
  /** It is to come, and nothing is to be said until then. */
  | { readonly kind: 'pending' }

/** The secrets of one workload at one moment. */
export interface Secrets {
  find(name: string): Found
  /** What is asked for by asking for everything: by SPIFFE IDs, without the short names. */
  allNames(): readonly string[]
}

const pending: Found = { kind: 'pending' }

/** The secrets of each update, each encoded once however many streams it goes to. */
export function secretsBy(config: SdsConfig): (update: WorkloadUpdate) => Secrets {
  const made = new WeakMap<WorkloadUpdate, Secrets>()
  return (update) => {
    let secrets = made.get(update)
    if (secrets === undefined) {
      secrets = secretsOf(update, config)
      made.set(update, secrets)
    }
    return secrets
  }
}

function secretsOf(update: WorkloadUpdate, config: SdsConfig): Secrets {
  const encoded = new Map<string, Found>()
  return {
    find(name) {
      const known = encoded.get(name)
      if (known !== undefined) return known
      const found = findSecret(name, update, config)
      // Names that mean nothing are the caller's choice, and there is no end of them.
      if (found.kind === 'secret') encoded.set(name, found)
      return found
    },
    allNames: () => [
      ...new Set<string>([
        ...update.identities.map(({ svid }) => svid.spiffeId),
        ...bundlesOf(update).map(({ trustDomain }) => TrustDomain.toId(trustDomain)),
      ]),
    ],
  }
}

/** What a name stands for. The short names come first: an operator may choose any text for them. */
export function findSecret(name: string, update: WorkloadUpdate, config: SdsConfig): Found {
  if (update.entries.length === 0) return absent(notEntitled(name))
  if (name === config.defaultSvidName) return certificate(name, update.identities[0])
  if (name === config.defaultBundleName) return oneBundle(name, update.bundle, config)
  if (name === config.defaultAllBundlesName) return allBundles(name, update, config)
  const id = SpiffeId.tryParse(name)
  if (id === undefined) return absent(notEntitled(name))
  if (SpiffeId.pathOf(id) !== '') return byId(name, id, update)
  const bundle = bundlesOf(update).find(({ trustDomain }) => TrustDomain.toId(trustDomain) === id)
  return bundle === undefined ? absent(notEntitled(name)) : oneBundle(name, bundle, config)
}

function byId(name: string, id: SpiffeId, update: WorkloadUpdate): Found {
  const identity = update.identities.find(({ svid }) => svid.spiffeId === id)
  if (identity !== undefined) return certificate(name, identity)
  const entry = update.entries.find(({ spiffeId }) => spiffeId === id)
  if (entry === undefined) return absent(notEntitled(name))
  const shadow = update.identities.find((other) => other.entry.hint === entry.hint)
  return entry.hint !== '' && shadow !== undefined ? absent(hintTaken(name)) : pending
}

function certificate(name: string, identity: Identity | undefined): Found {
  if (identity === undefined) return pending
  const { svid } = identity
  // The chain is enough: another key is another certificate, and a version is seen by everybody.
  return found(encodeCertificate(name, svid), svid.chain)
}

function oneBundle(name: string, bundle: Bundle, config: SdsConfig): Found {
  if (bundle.x509Authorities.length === 0) return absent(noAuthority(name))
  const secret = config.disableSpiffeCertValidation
    ? encodePlainContext(name, bundle)
    : encodeSpiffeContext(name, [bundle])
  return found(secret, [secret])
}

function allBundles(name: string, update: WorkloadUpdate, config: SdsConfig): Found {
  // A plain list would be one pool of CAs, in which each could vouch for any trust domain.
  if (config.disableSpiffeCertValidation) return absent(needsValidator(name))
  // Envoy refuses the whole of a context in which one trust domain has no CA.
  const bundles = bundlesOf(update).filter(({ x509Authorities }) => x509Authorities.length > 0)
  if (bundles.length === 0) return absent(noAuthority(name))
  const secret = encodeSpiffeContext(name, bundles)
  return found(secret, [secret])
}

/** The own one first, then by name, so that equal is equal. */
function bundlesOf(update: WorkloadUpdate): readonly Bundle[] {
  const federated = [...update.federated.values()]
  return [update.bundle, ...federated.sort((a, b) => (a.trustDomain < b.trustDomain ? -1 : 1))]
}

function found(secret: Buffer, content: readonly Uint8Array[]): Found {
  const hash = createHash('sha256')
  for (const part of content) hash.update(part)
  return { kind: 'secret', version: hash.digest('base64url').slice(0, 22), secret }
}

function absent(error: CountersignError): Found {
  return { kind: 'absent', error }
}

function quoted(name: string): string {
  return JSON.stringify(name.length > 256 ? `${name.slice(0, 256)}…` : name)
}

/** One answer for what does not exist and for what is another's. */
function notEntitled(name: string): CountersignError {
  return new CountersignError(
    'not-found',
    `there is nothing named ${quoted(name)} for this workload`,
    {
      reason: 'sds-unknown-name',
      fix: 'ask for a SPIFFE ID or trust domain that an entry of this workload names',
    },
  )
}

function noAuthority(name: string): CountersignError {
  return new CountersignError('not-found', `${quoted(name)} has no X.509 authority`, {
    reason: 'sds-no-authority',
  })
}

function hintTaken(name: string): CountersignError {
  return new CountersignError('not-found', `the hint of ${quoted(name)} is an older entry's`, {
    reason: 'sds-hint-taken',
    fix: 'give each of the workload’s entries a hint of its own',
  })
}

function needsValidator(name: string): CountersignError {
  return new CountersignError(
    'not-found',
    `${quoted(name)} needs the SPIFFE validator: a plain list of CAs cannot keep trust domains apart`,
    {
      reason: 'sds-needs-validator',
      fix: 'ask for one trust domain, or leave disable_spiffe_cert_validation out',
    },
  )
}
