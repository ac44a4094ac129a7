import type { Bundle } from '../../src/bundle/bundle.ts'

/** Of one page of an answer, roughly: clients of gRPC take 4 MiB unless they are told otherwise. */
const maxPageBytes = 3 << 20

/** What a bundle takes in a message, roughly. */
export function sizeOfBundle({ trustDomain, x509Authorities, jwtAuthorities }: Bundle): number {
  return (
    trustDomain.length +
    x509Authorities.reduce((sum, { certificate }) => sum + certificate.length + 8, 64) +
    jwtAuthorities.reduce((sum, key) => sum + key.publicKey.length + key.keyId.length + 24, 0)
  )
}

/** As many of the items, from the first on, as one page has room for; at least one. */
export function fittingPage<T>(
  items: readonly T[],
  bundleOf: (item: T) => Bundle | undefined,
): readonly T[] {
  let bytes = 0
  const end = items.findIndex((item, at) => {
    const bundle = bundleOf(item)
    bytes += bundle === undefined ? 0 : sizeOfBundle(bundle)
    return at > 0 && bytes > maxPageBytes
  })
  return end === -1 ? items : items.slice(0, end)
}
