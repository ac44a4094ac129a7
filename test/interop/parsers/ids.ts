import fc from 'fast-check'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import { editedText } from '../../support/text-edits.ts'
import { type Difference, refusedHere, type Seen } from './comparison.ts'
import type { Question } from './go-verdicts.ts'

export interface IdInput {
  readonly kind: 'id' | 'domain' | 'path'
  readonly text: string
}

const small = 'abcdefghijklmnopqrstuvwxyz0123456789'
const textOf = (alphabet: string, lengths: fc.StringConstraints): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...alphabet), ...lengths })

const domain = fc.oneof(
  { weight: 6, arbitrary: textOf(`${small}.-_`, { minLength: 1, maxLength: 20 }) },
  { weight: 1, arbitrary: fc.constantFrom('', 'a..b', '.a', '-', '127.0.0.1', 'example.org.') },
  { weight: 1, arbitrary: fc.integer({ min: 250, max: 260 }).map((n) => 'a'.repeat(n)) },
)
const segment = fc.oneof(
  {
    weight: 8,
    arbitrary: textOf(`${small}ABCDEFGHIJKLMNOPQRSTUVWXYZ.-_`, { minLength: 1, maxLength: 12 }),
  },
  { weight: 1, arbitrary: fc.constantFrom('', '.', '..', '...', '.a', 'a..') },
)
const path = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .array(segment, { maxLength: 5 })
      .map((segments) => segments.map((one) => `/${one}`).join('')),
  },
  { weight: 1, arbitrary: fc.integer({ min: 2020, max: 2050 }).map((n) => `/${'b'.repeat(n)}`) },
)
const scheme = fc.oneof(
  { weight: 12, arbitrary: fc.constant('spiffe://') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '',
      'spiffe:',
      'spiffe:/',
      'SPIFFE://',
      'https://',
      '//',
      ' spiffe://',
    ),
  },
)
const id = fc.tuple(scheme, domain, path).map((parts) => parts.join(''))

const foreign = [
  ...'ABCZaz09._-/:@?#%&=+~!$*,;()\'"\\ \t\n\0[]{}<>|^`',
  '//',
  '/./',
  '/../',
  '%2f',
  '%41',
  'ä',
  'ａ',
  'e\u0301',
  '\u00a0',
  '\ud83d',
  '😀',
  '\u007f',
  '\u0080',
  'xn--',
]

export const idInputs: fc.Arbitrary<IdInput> = fc.oneof(
  {
    weight: 4,
    arbitrary: editedText(id, foreign).map((text): IdInput => ({ kind: 'id', text })),
  },
  {
    weight: 1,
    arbitrary: editedText(fc.oneof(domain, id), foreign).map(
      (text): IdInput => ({ kind: 'domain', text }),
    ),
  },
  {
    weight: 1,
    arbitrary: editedText(path, foreign).map((text): IdInput => ({ kind: 'path', text })),
  },
)

const ours = TrustDomain.parse('example.org')

export function readId({ kind, text }: IdInput): string {
  switch (kind) {
    case 'id': {
      const parsed = SpiffeId.parse(text)
      return `${SpiffeId.trustDomainOf(parsed)} ${SpiffeId.pathOf(parsed)}`
    }
    case 'domain':
      return TrustDomain.parseIdOrName(text)
    case 'path':
      return SpiffeId.of(ours, text)
  }
}

export function idQuestion({ kind, text }: IdInput): Question {
  return { kind, text }
}

export const idDifferences: readonly Difference<IdInput>[] = [
  {
    what: 'a trust domain name of more than 255 bytes is refused here',
    rule: 'ID-19',
    isSeenIn: (seen: Seen<IdInput>) =>
      refusedHere(seen, 'trust-domain-too-long') && seen.input.text.length > 255,
  },
  {
    what: 'an ID of more than 2048 bytes is refused here',
    rule: 'ID-18',
    isSeenIn: (seen: Seen<IdInput>) =>
      refusedHere(seen, 'spiffe-id-too-long') &&
      seen.input.text.length > 2048 - 'spiffe://example.org'.length,
  },
]
