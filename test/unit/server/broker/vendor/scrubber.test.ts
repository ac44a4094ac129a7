import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formsOf } from '../../../../../server/broker/keys/secret-forms.ts'
import { createScrubber, scrubText } from '../../../../../server/broker/vendor/scrubber.ts'

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
  const scrubber = createScrubber(() => forms)
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

test('T12 T21 a body in which keys begin at every byte is scrubbed like any other', () => {
  const forms = [8, 9, 10].map((length) => Buffer.alloc(length, 'a'))
  const scrubber = createScrubber(() => forms)
  const body = Buffer.alloc(64 << 10, 'a')
  const out = Buffer.concat([scrubber.push(body), scrubber.push(Buffer.from('b')), scrubber.end()])
  expect(out.equals(Buffer.concat([Buffer.alloc(64 << 10, '*'), Buffer.from('b')]))).toBe(true)
})

test('T21 what is held back tells nothing of the key: how much comes when is the same for any guess', () => {
  const sizes = (text: string): readonly number[] => {
    const forms = formsOf('secret-key')
    const scrubber = createScrubber(() => forms)
    return [scrubber.push(Buffer.from(text)).length, scrubber.end().length]
  }
  for (const guess of ['s', 'sec', 'secret-ke', 'secret-key']) {
    const other = 'x'.repeat(guess.length)
    expect(sizes(`no such contact: ${guess}`)).toEqual(sizes(`no such contact: ${other}`))
  }
})

test('nothing is held back of a line that has ended, so that events go on as they come', () => {
  const scrubber = createScrubber(() => [Buffer.from('secret-key')])
  expect(scrubber.push(Buffer.from('data: sec\n\n')).toString()).toBe('data: sec\n\n')
  expect(scrubber.push(Buffer.from('data: sec')).length).toBe(0)
  expect(scrubber.push(Buffer.from('ret-key\n\n')).toString()).toBe('data: **********\n\n')
  expect(scrubber.end().length).toBe(0)
})

test('T21 a key that is taken while an answer goes on is taken out of the rest of it', () => {
  const forms = [Buffer.from('old-key')]
  const scrubber = createScrubber(() => forms)
  expect(scrubber.push(Buffer.from('old-key other-longer-key\n')).toString()).toBe(
    '******* other-longer-key\n',
  )
  const rest = [scrubber.push(Buffer.from('old-'))]
  forms.unshift(Buffer.from('other-longer-key'))
  for (const piece of ['key other-lon', 'ger-key, ']) rest.push(scrubber.push(Buffer.from(piece)))
  rest.push(scrubber.end())
  expect(Buffer.concat(rest).toString()).toBe(`${'*'.repeat(7)} ${'*'.repeat(16)}, `)
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
    'in JSON that is safe in HTML': JSON.stringify({ k: secret }).replace(
      /[&<>']/g,
      (character) => `\\u00${character.charCodeAt(0).toString(16)}`,
    ),
    'in JSON with plus signs escaped': JSON.stringify({ k: secret })
      .replaceAll('\\"q', '\\u0022q')
      .replace(/[&<>'+]/g, (one) => `\\u00${one.charCodeAt(0).toString(16).toUpperCase()}`),
    'in a URL, in small letters': encodeURIComponent(secret).replaceAll(/%../g, (octet) =>
      octet.toLowerCase(),
    ),
    'in JSON as PHP writes it': JSON.stringify(secret).replaceAll('/', '\\/'),
    'in JSON as Go writes it': JSON.stringify(secret).replace(
      /[&<>]/g,
      (one) => `\\u00${one.charCodeAt(0).toString(16)}`,
    ),
    'in a URL, by RFC 3986': encodeURIComponent(secret).replaceAll("'", '%27'),
    'in HTML by numbers': secret
      .replace(/&/g, '&amp;')
      .replace(/</g, '&lt;')
      .replace(/>/g, '&gt;')
      .replace(/"/g, '&#34;')
      .replace(/'/g, '&#39;'),
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

test.each(['&quot;', '&#34;', '&#x22;', '"'])(
  'in HTML with %s, whatever an apostrophe is',
  (quote) => {
    const secret = `a-key<of>"acme"&'co'`
    const named = secret.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
    for (const apostrophe of ["'", '&#39;', '&#x27;', '&#039;', '&apos;']) {
      const text = named.replaceAll('"', quote).replaceAll("'", apostrophe)
      expect(scrubText(text, formsOf(secret))).toBe('*'.repeat(text.length))
    }
  },
)

test.each([0, 1, 2])(
  'in base64 and base64url with all their letters, behind %d bytes',
  (before) => {
    const secret = '~key?>>of>??acme~~'
    const bytes = Buffer.from(`${'u'.repeat(before)}${secret}`)
    for (const encoding of ['base64', 'base64url'] as const) {
      const text = bytes.toString(encoding)
      expect(text).toMatch(encoding === 'base64' ? /[+/]/ : /[-_]/)
      // What it shares with its neighbours alone may stay.
      expect(scrubText(text, formsOf(secret))).toMatch(/^[\w+/-]{0,3}\*{20,}[\w+/=-]{0,3}$/)
    }
  },
)

describe('a key that is base64 itself, with its plus, slash and equals signs, is known', () => {
  const secret = 'Zm9v+YmFy/YmF6cXV4+Zm9vYmFy/YQ=='
  const basic = Buffer.from('a:~key?>>of>??acme~~?>').toString('base64')
  const shown: readonly (readonly [how: string, text: string, secret: string])[] = [
    ['in a URL by Python', 'Zm9v%2BYmFy/YmF6cXV4%2BZm9vYmFy/YQ%3D%3D', secret],
    ['in a URL by Go', 'Zm9v+YmFy%2FYmF6cXV4+Zm9vYmFy%2FYQ==', secret],
    ['in JSON by Gson', 'Zm9v+YmFy/YmF6cXV4+Zm9vYmFy/YQ\\u003d\\u003d', secret],
    ['in JSON by PHP', 'Zm9v+YmFy\\/YmF6cXV4+Zm9vYmFy\\/YQ==', secret],
    ['in HTML by Go', 'Zm9v&#43;YmFy/YmF6cXV4&#43;Zm9vYmFy/YQ==', secret],
    ['in HTML by Handlebars', 'Zm9v+YmFy/YmF6cXV4+Zm9vYmFy/YQ&#x3D;&#x3D;', secret],
    ['in HTML by Mustache', 'Zm9v+YmFy&#x2F;YmF6cXV4+Zm9vYmFy&#x2F;YQ&#x3D;&#x3D;', secret],
    ['in HTML by OWASP', 'Zm9v+YmFy&#x2F;YmF6cXV4+Zm9vYmFy&#x2F;YQ==', secret],
  ]
  test.each(shown)('%s', (_, text, of) => {
    expect(scrubText(text, formsOf(of))).toBe('*'.repeat(text.length))
  })

  // As a vendor repeats the header of `inject: {basic: a}`.
  test.each([
    ['JSON by PHP', basic.replaceAll('/', '\\/')],
    ['JSON by .NET', basic.replaceAll('+', '\\u002B')],
    ['a URL', encodeURIComponent(basic)],
    [
      'a URL, in small letters',
      encodeURIComponent(basic).replaceAll(/%../g, (o) => o.toLowerCase()),
    ],
    ['HTML by Go', basic.replaceAll('+', '&#43;')],
    ['HTML by Mustache', basic.replaceAll('/', '&#x2F;')],
  ])('in base64 and that in %s', (_, text) => {
    expect(basic).toMatch(/\+.*\/|\/.*\+/)
    expect(scrubText(text, formsOf('~key?>>of>??acme~~?>'))).toMatch(/^\w{0,4}\*{24,}[\w=%]{0,8}$/)
  })
})
