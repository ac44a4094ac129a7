import { type DerReader, malformed, TAG } from './der.ts'

// `YYMMDDHHMMSSZ` and `YYYYMMDDHHMMSSZ`, RFC 5280 §4.1.2.5: seconds, Zulu, no fractions.
const UTC_LENGTH = 13
const GENERALIZED_LENGTH = 15

/** Reads a Time. Throws `invalid`, reason `der-malformed`. */
export function readTime(reader: DerReader): Date {
  const tag = reader.peek()
  if (tag !== TAG.utcTime && tag !== TAG.generalizedTime) throw malformed('not a time')
  const content = reader.read(tag).content()
  const yearDigits = tag === TAG.utcTime ? 2 : 4
  if (content.length !== (tag === TAG.utcTime ? UTC_LENGTH : GENERALIZED_LENGTH)) {
    throw malformed('time in another form')
  }
  if (content.at(-1) !== 0x5a) throw malformed('time not in UTC')
  const written = digits(content, 0, yearDigits)
  const year =
    tag === TAG.generalizedTime ? written : written < 50 ? 2000 + written : 1900 + written
  const [month, day, hour, minute, second] = [0, 2, 4, 6, 8].map((at) =>
    digits(content, yearDigits + at, 2),
  ) as [number, number, number, number, number]
  const instant = new Date(0)
  instant.setUTCFullYear(year, month - 1, day)
  instant.setUTCHours(hour, minute, second)
  // 31 February and 25 o'clock roll over instead of failing.
  const sound =
    instant.getUTCFullYear() === year &&
    instant.getUTCMonth() === month - 1 &&
    instant.getUTCDate() === day &&
    hour < 24 &&
    minute < 60 &&
    second < 60
  if (!sound) throw malformed('no such time')
  return instant
}

function digits(content: Buffer, at: number, count: number): number {
  let value = 0
  for (let i = at; i < at + count; i++) {
    const digit = (content[i] ?? 0) - 0x30
    if (digit < 0 || digit > 9) throw malformed('time with a character that is no digit')
    value = value * 10 + digit
  }
  return value
}
