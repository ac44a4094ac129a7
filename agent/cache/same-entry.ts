import type { Entry } from '../../src/entry/entry.ts'

function sameList<T>(a: readonly T[], b: readonly T[], same: (x: T, y: T) => boolean): boolean {
  return a.length === b.length && a.every((item, at) => same(item, b[at] as T))
}

const identical = (a: string, b: string): boolean => a === b

function sameLabels(a: Entry['labels'], b: Entry['labels']): boolean {
  const names = Object.keys(a)
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && a[name] === b[name])
  )
}

/**
 * Whether two entries say the same in every field. The revision alone does not tell: after a restore
 * from a backup the same number may stand for something else.
 */
export function sameEntry(a: Entry, b: Entry): boolean {
  return (
    a.id === b.id &&
    a.revision === b.revision &&
    a.spiffeId === b.spiffeId &&
    a.parentId === b.parentId &&
    a.x509SvidTtlSeconds === b.x509SvidTtlSeconds &&
    a.jwtSvidTtlSeconds === b.jwtSvidTtlSeconds &&
    a.admin === b.admin &&
    a.downstream === b.downstream &&
    a.expiresAt?.getTime() === b.expiresAt?.getTime() &&
    a.disabledAt?.getTime() === b.disabledAt?.getTime() &&
    a.storeSvid === b.storeSvid &&
    a.hint === b.hint &&
    a.createdAt.getTime() === b.createdAt.getTime() &&
    a.disableX509SvidPrefetch === b.disableX509SvidPrefetch &&
    a.jwtSvidIncludeJti === b.jwtSvidIncludeJti &&
    a.jwtSvidSingleUse === b.jwtSvidSingleUse &&
    a.owner === b.owner &&
    a.purpose === b.purpose &&
    sameList(a.selectors, b.selectors, (x, y) => x.type === y.type && x.value === y.value) &&
    sameList(a.federatesWith, b.federatesWith, identical) &&
    sameList(a.dnsNames, b.dnsNames, identical) &&
    sameLabels(a.labels, b.labels)
  )
}
