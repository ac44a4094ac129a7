import type { Bundle } from '../../src/bundle/bundle.ts'
import type { Entry } from '../../src/entry/entry.ts'

/** Of one answer, roughly: clients of gRPC take 4 MiB unless they are told otherwise. */
const maxAnswerBytes = 3 << 20

/** What a bundle takes in a message, roughly. */
export function sizeOfBundle({ trustDomain, x509Authorities, jwtAuthorities }: Bundle): number {
  return (
    trustDomain.length +
    x509Authorities.reduce((sum, { certificate }) => sum + certificate.length + 8, 64) +
    jwtAuthorities.reduce((sum, key) => sum + key.publicKey.length + key.keyId.length + 24, 0)
  )
}

/** The same of an entry. */
export function sizeOfEntry(entry: Entry): number {
  const texts = [
    ...[entry.id, entry.spiffeId, entry.parentId, entry.hint, entry.owner, entry.purpose],
    ...entry.dnsNames,
    ...entry.federatesWith,
    ...entry.selectors.flatMap(({ type, value }) => [type, value]),
    ...Object.entries(entry.labels).flat(),
  ]
  return texts.reduce((sum, text) => sum + text.length + 8, 64)
}

/** Says of one part after another whether the answer has room for it; for the first it always has. */
export function roomInAnswer(): (bytes: number) => boolean {
  let held = 0
  return (bytes) => {
    if (held > 0 && held + bytes > maxAnswerBytes) return false
    held += bytes
    return true
  }
}

/** As many of the items, from the first on, as one answer has room for; at least one. */
export function fittingPage<T>(items: readonly T[], sizeOf: (item: T) => number): readonly T[] {
  const hasRoom = roomInAnswer()
  const end = items.findIndex((item) => !hasRoom(sizeOf(item)))
  return end === -1 ? items : items.slice(0, end)
}
