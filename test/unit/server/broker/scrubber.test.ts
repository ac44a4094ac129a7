import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createScrubber, scrubText } from '../../../../server/broker/scrubber.ts'
import { formsOf } from '../../../../server/broker/secret-forms.ts'

/** The same all at once, byte by byte, as one would say it. */
function plainly(body: Buffer, forms: readonly Buffer[]): { readonly text: string; found: number } {
  const out = Buffer.from(body)
  let found = 0
  for (const form of forms) {
    for (let at = 0; at + form.length <= body.length; at += 1) {
      if (!body.subarray(at, at + form.length).equals(form)) continue
      found += 1
      out.fill('*', at, at + form.length)
    }
  }
  return { text: out.toString('latin1'), found }
}

function inPieces(body: Buffer, cuts: readonly number[], forms: readonly Buffer[]) {
  const scrubber = createScrubber(forms)
  const places = [0, ...[...cuts].sort((a, b) => a - b), body.length]
  const pieces = places.slice(1).map((to, at) => scrubber.push(body.subarray(places[at], to)))
  return {
    text: Buffer.concat([...pieces, scrubber.end()]).toString('latin1'),
    found: scrubber.found,
  }
}

test('T21 no cut of a body lets a form through, and nothing else is touched', () => {
  // Few letters, so that forms overlap themselves and each other.
  const word = (maxLength: number) =>
    fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength })
  fc.assert(
    fc.property(
      fc.array(word(6), { minLength: 1, maxLength: 3 }),
      fc.array(word(6), { maxLength: 12 }),
      fc.array(fc.nat(), { maxLength: 12 }),
      (words, parts, cuts) => {
        const forms = [...new Set(words)].map((text) => Buffer.from(text))
        const body = Buffer.from(parts.join(''))
        const places = cuts.map((cut) => cut % (body.length + 1))
        expect(inPieces(body, places, forms)).toEqual(plainly(body, forms))
      },
    ),
    { numRuns: 3000 },
  )
})

test('no more is held back than what may be the beginning of the key', () => {
  const scrubber = createScrubber([Buffer.from('secret-key')])
  expect(scrubber.push(Buffer.from('data: 1\n\n')).toString()).toBe('data: 1\n\n')
  expect(scrubber.push(Buffer.from('data: sec')).toString()).toBe('data: ')
  expect(scrubber.push(Buffer.from('ond')).toString()).toBe('second')
  expect(scrubber.end().length).toBe(0)
})

describe('a secret is known', () => {
  const secret = `k3y/with "q'&<+>\\ and=more`
  const forms = formsOf(secret)
  const shown: Readonly<Record<string, string>> = {
    'as it is': secret,
    'in base64': Buffer.from(secret).toString('base64'),
    'in base64 behind one byte': Buffer.from(`u:${secret}`).toString('base64'),
    'in base64 behind two bytes': Buffer.from(`us:${secret}`).toString('base64'),
    'in base64url': Buffer.from(`x${secret}`).toString('base64url'),
    'in hexadecimal': Buffer.from(secret).toString('hex'),
    'in upper-case hexadecimal': Buffer.from(secret).toString('hex').toUpperCase(),
    'in a URL': encodeURIComponent(secret),
    'in a form': new URLSearchParams({ k: secret }).toString(),
    'in JSON': JSON.stringify({ k: secret }),
    'in HTML': secret
      .replace(/&/g, '&amp;')
      .replace(/</g, '&lt;')
      .replace(/>/g, '&gt;')
      .replace(/"/g, '&quot;'),
  }
  for (const [how, text] of Object.entries(shown)) {
    test(how, () => {
      const clean = scrubText(`before ${text} after`, forms)
      expect(clean).toMatch(/^before .*\*{20,}.* after$/)
      expect(clean).not.toContain(text.slice(8, -8))
      expect(clean.length).toBe(`before ${text} after`.length)
    })
  }
})
