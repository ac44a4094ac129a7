import type { KeyObject } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import { importSpki } from '../x509/spki.ts'

// Some 200 trust domains of five keys. Beyond that, keys are read again, which costs 20 to 100 µs.
const MAX_KEYS = 1024

const cache = new Map<string, KeyObject | undefined>()

/**
 * The key of a SubjectPublicKeyInfo, DER; undefined where it is unsound or too weak to be used. The
 * same bytes give the same KeyObject, by which jose in turn remembers its own form of the key.
 */
export function publicKeyOf(spki: Buffer): KeyObject | undefined {
  const bytes = spki.toString('latin1')
  const known = cache.get(bytes)
  if (known !== undefined || cache.has(bytes)) return known
  const key = importIfSound(spki)
  if (cache.size >= MAX_KEYS) {
    // In order of arrival: a key in use comes back at once, and a pass over the cache costs nothing.
    const oldest = cache.keys().next().value
    if (oldest !== undefined) cache.delete(oldest)
  }
  cache.set(bytes, key)
  return key
}

function importIfSound(spki: Buffer): KeyObject | undefined {
  try {
    return importSpki(spki).key
  } catch (error) {
    if (error instanceof CountersignError) return undefined
    throw error
  }
}
