const pattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[\x21-\x7e]*)?$/
const maxLength = 512

/**
 * W3C Trace Context §3.2: the header as it may be put on record, undefined where it is none or stands there
 * twice. Of a version that is not known yet, the part that is known.
 */
export function readTraceparent(
  header: string | readonly string[] | undefined,
): string | undefined {
  if (typeof header !== 'string' || header.length > maxLength) return undefined
  const [, version, trace, parent, flags, more] = pattern.exec(header) ?? []
  if (version === undefined || trace === undefined || parent === undefined) return undefined
  if (version === 'ff' || (version === '00' && more !== undefined)) return undefined
  if (/^0+$/.test(trace) || /^0+$/.test(parent)) return undefined
  return `${version}-${trace}-${parent}-${flags}`
}
