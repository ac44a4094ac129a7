import { readCertificate } from '../x509/certificate.ts'
import type { Bundle } from './bundle.ts'

interface KeyIds {
  /** Subject key identifiers, lower-case hex. */
  readonly good: ReadonlySet<string>
  readonly tainted: ReadonlySet<string>
  /** Whether every authority names its key, so that an unknown name is an authority that is gone. */
  readonly allNamed: boolean
}

// A bundle is replaced whole and never edited.
const known = new WeakMap<Bundle, KeyIds>()

function keyIdsOf(bundle: Bundle): KeyIds {
  const before = known.get(bundle)
  if (before !== undefined) return before
  const good = new Set<string>()
  const tainted = new Set<string>()
  let allNamed = true
  for (const authority of bundle.x509Authorities) {
    const keyId = keyIdOf(authority.certificate)
    if (keyId === undefined) allNamed = false
    else (authority.tainted ? tainted : good).add(keyId)
  }
  // A key that is in both is tainted.
  for (const keyId of tainted) good.delete(keyId)
  const keyIds = { good, tainted, allNamed }
  known.set(bundle, keyIds)
  return keyIds
}

function keyIdOf(certificate: Buffer): string | undefined {
  try {
    return readCertificate(certificate).subjectKeyId?.toString('hex')
  } catch {
    return undefined
  }
}

/** Authority key identifiers of a chain (DER), lower-case hex. Throws `invalid` where one cannot be read. */
export function signersOf(chain: readonly Buffer[]): readonly string[] {
  return chain.flatMap((der) => {
    const keyId = readCertificate(der).authorityKeyId
    return keyId === undefined ? [] : [keyId.toString('hex')]
  })
}

/** Whether what these keys signed may stay in use: by an authority of the bundle, and none that is tainted. */
export function isUntainted(signedBy: readonly string[], bundle: Bundle): boolean {
  const { good, tainted, allNamed } = keyIdsOf(bundle)
  if (signedBy.some((keyId) => tainted.has(keyId))) return false
  return !allNamed || signedBy.length === 0 || signedBy.some((keyId) => good.has(keyId))
}
