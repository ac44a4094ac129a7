import { createHash, timingSafeEqual } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Bundle, BundleLookup } from '../../src/bundle/bundle.ts'
import { parseBundleDocument } from '../../src/bundle/document.ts'
import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import { serverId } from '../../src/spiffe-id/reserved.ts'
import type { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { claimedId, verifyX509Svid } from '../../src/svid/x509-svid.ts'
import { readCertificate } from '../../src/x509/certificate.ts'
import { fromPem } from '../../src/x509/pem.ts'

/** Why the agent believes its server before it holds a bundle. */
export type Bootstrap =
  | { readonly by: 'bundle-file'; readonly path: string }
  /** SHA-256 of a CA's SubjectPublicKeyInfo, lower-case hex; any one of them. */
  | { readonly by: 'ca-key'; readonly sha256: readonly string[] }
  | { readonly by: 'nothing' }

export interface ServerTrust {
  /**
   * The server's ID, where the presented chain (DER, leaf first) is an SVID of this trust domain's
   * server under an authority that is believed. Throws `unauthenticated`, reasons `server-…` and
   * `svid-…`.
   */
  verify(chain: readonly Buffer[]): SpiffeId
  /** From now on this bundle, and nothing else, says who the server is. */
  adopt(bundle: Bundle): void
}

export interface TrustDeps {
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly log: Log
}

/**
 * What is known of the server: the bundle that the agent holds from before, or else the bootstrap.
 * Throws `invalid` / `trust-missing` without either, `trust-bundle` for a file that is none.
 */
export async function openServerTrust(
  deps: TrustDeps,
  held: Bundle | undefined,
  bootstrap: Bootstrap | undefined,
): Promise<ServerTrust> {
  let bundle = held ?? (await bundleOfFile(deps.trustDomain, bootstrap))
  if (bundle === undefined && bootstrap === undefined) {
    throw new CountersignError('invalid', 'nothing says whom to believe as the server', {
      reason: 'trust-missing',
      fix: 'set trust_ca_sha256 to the hash that "countersign token create" prints, or trust_bundle',
    })
  }
  if (bundle === undefined && bootstrap?.by === 'nothing') {
    deps.log.warn(
      'INSECURE: insecure_bootstrap is set, so whoever answers first is taken for the server',
    )
  }
  return {
    verify(chain) {
      if (bundle !== undefined) return verifyServer(deps, chain, bundle)
      const [leaf] = chain
      // SPIRE's servers show their leaf alone.
      if (bootstrap?.by === 'nothing' && leaf !== undefined && chain.length === 1) {
        const now = deps.clock.now()
        return mustBeServer(
          deps,
          byClock(now, () => claimedId(leaf, now)),
        )
      }
      return verifyServer(deps, chain, rootsOf(deps, chain, bootstrap))
    },
    adopt(next) {
      bundle = next
    },
  }
}

function verifyServer(deps: TrustDeps, chain: readonly Buffer[], bundle: Bundle): SpiffeId {
  const source: BundleLookup = {
    bundleOf: (name) => (name === bundle.trustDomain ? bundle : undefined),
  }
  const now = deps.clock.now()
  return mustBeServer(deps, byClock(now, () => verifyX509Svid(chain, source, now)).spiffeId)
}

function mustBeServer(deps: TrustDeps, spiffeId: SpiffeId): SpiffeId {
  const expected = serverId(deps.trustDomain)
  if (spiffeId !== expected) {
    throw new CountersignError('unauthenticated', `the peer is ${spiffeId}, not ${expected}`, {
      reason: 'server-id',
      fix: 'check server_address and trust_domain',
    })
  }
  return spiffeId
}

function byClock<T>(now: Date, verify: () => T): T {
  try {
    return verify()
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    if (error.reason === 'svid-chain-unknown-authority') throw unknownAuthority(error)
    if (!misdated.has(error.reason)) throw error
    throw new CountersignError(
      error.code,
      `the server's certificate is not valid at ${now.toISOString()}, which is the time here`,
      {
        reason: error.reason,
        fix: 'set the clock of this machine, or that of the server; no join token was used',
        cause: error,
      },
    )
  }
}

/** Another's server; or this trust domain's, whose CA was replaced and revoked while this agent was away. */
function unknownAuthority(cause: CountersignError): CountersignError {
  return new CountersignError(
    cause.code,
    'the server shows a certificate of a CA that is not in the bundle that this agent holds',
    {
      reason: cause.reason,
      fix: 'where the CA was replaced meanwhile: stop the agent, remove its data_dir, and start it with a new join token and the CA of now (trust_ca_sha256 or trust_bundle)',
      cause,
    },
  )
}

const misdated: ReadonlySet<string> = new Set(['svid-chain-expired', 'svid-chain-not-yet-valid'])

/** The CA out of the presented chain that the bootstrap lets the agent believe. */
function rootsOf(
  deps: TrustDeps,
  chain: readonly Buffer[],
  bootstrap: Bootstrap | undefined,
): Bundle {
  const authorities = chain.slice(1).filter((der) => readCertificate(der).basicConstraints?.ca)
  const believed =
    bootstrap?.by === 'ca-key'
      ? authorities.filter((der) => isPinned(der, bootstrap.sha256))
      : bootstrap?.by === 'nothing'
        ? authorities
        : []
  if (believed.length === 0) {
    throw new CountersignError(
      'unauthenticated',
      'the server shows no CA whose key has the hash that was given',
      {
        reason: 'server-ca-key',
        fix:
          authorities.length === 0
            ? 'a server of SPIRE does not show its CA: put what "spire-server bundle show" prints into a file, and name that as trust_bundle'
            : 'compare trust_ca_sha256 with what "countersign token create" prints on the server',
      },
    )
  }
  return bundleOf(deps.trustDomain, believed)
}

function isPinned(der: Buffer, hashes: readonly string[]): boolean {
  const hash = createHash('sha256').update(readCertificate(der).spki).digest()
  return hashes.some((hex) => {
    const pinned = Buffer.from(hex, 'hex')
    return pinned.length === hash.length && timingSafeEqual(pinned, hash)
  })
}

function bundleOf(trustDomain: TrustDomain, certificates: readonly Buffer[]): Bundle {
  return {
    trustDomain,
    x509Authorities: certificates.map((certificate) => ({ certificate, tainted: false })),
    jwtAuthorities: [],
    sequence: 0n,
    refreshHintSeconds: 0,
  }
}

/** PEM certificates, or a SPIFFE bundle document. */
async function bundleOfFile(
  trustDomain: TrustDomain,
  bootstrap: Bootstrap | undefined,
): Promise<Bundle | undefined> {
  if (bootstrap?.by !== 'bundle-file') return undefined
  const { path } = bootstrap
  try {
    const text = await readFile(path, 'utf8')
    const bundle = text.trimStart().startsWith('{')
      ? parseBundleDocument(trustDomain, text)
      : bundleOf(trustDomain, certificatesOf(text))
    if (bundle.x509Authorities.length > 0) return bundle
  } catch (error) {
    throw unusable(path, error)
  }
  throw unusable(path, undefined)
}

function certificatesOf(text: string): readonly Buffer[] {
  return fromPem(text)
    .filter(({ label }) => label === 'CERTIFICATE')
    .map(({ der }) => der)
}

function unusable(path: string, cause: unknown): CountersignError {
  return new CountersignError('invalid', `${path} holds no bundle`, {
    reason: 'trust-bundle',
    fix: 'give what "countersign bundle show" prints on the server',
    cause,
  })
}
