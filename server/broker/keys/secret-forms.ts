/** Shorter than this a form is part of too much that has nothing to do with the secret. */
const minFormLength = 8

/**
 * The ways in which a vendor's answer may repeat a secret (printable ASCII): as it is, in hexadecimal, in base64 and
 * base64url at each of the three places that it may have in what is encoded; the letters and base64 also escaped for URLs,
 * for JSON and for HTML, as those do it who write most of them.
 */
export function formsOf(secret: string): readonly Buffer[] {
  const bytes = Buffer.from(secret, 'latin1')
  const texts = [secret, ...[0, 1, 2].flatMap((before) => base64Forms(bytes, before))]
  const forms = new Set<string>([
    ...[bytes.toString('hex'), bytes.toString('hex').toUpperCase()],
    ...texts.flatMap((text) => [text, ...urlForms(text), ...jsonForms(text), ...htmlForms(text)]),
  ])
  return [...forms]
    .filter((form) => form === secret || form.length >= minFormLength)
    .map((form) => Buffer.from(form, 'latin1'))
}

/** What is left as it is, beside letters and digits, by those who escape for URLs. */
const leftInUrls: readonly string[] = [
  // RFC 3986's unreserved, and fewer: PHP; forms of browsers and of Java.
  ...['-_.~', '-_.', '-_.*'],
  // JavaScript's encodeURIComponent and encodeURI; Python's quote; Go's PathEscape.
  ...["-_.!~*'()", "-_.!~*'();/?:@&=+$,#", '-_.~/', '-_.~$&+:=@'],
  // RFC 3986's segment of a path, and query; what browsers leave in a path, and in a query.
  ...["-_.~!$&'()*+,;=:@", "-_.~!$&'()*+,;=:@/?"],
  ...["!$%&'()*+,-./:;=@[\\]_|~", '!$%&()*+,-./:;=?@[\\]^_`{|}~'],
]

function urlForms(text: string): readonly string[] {
  return leftInUrls.flatMap((left) => {
    const isLeft = (one: string): boolean => isPlain(one) || left.includes(one)
    const escaped = each(text, (one) => (isLeft(one) ? one : octet(one)))
    const small = escaped.replaceAll(/%[0-9A-F]{2}/g, (one) => one.toLowerCase())
    return [escaped, small].flatMap((form) => [form, form.replaceAll('%20', '+')])
  })
}

/** What is written by its number in JSON, beside what has to be escaped: by Go, Rails; Gson; those whom HTML worries more. */
const numberedInJson: readonly string[] = ['', '&<>', "&<>'", "&<>'="]
/** In upper case: by .NET; by Symfony. */
const numberedLargeInJson: readonly string[] = ['"&\'+<>`', '"&\'<>']

function jsonForms(text: string): readonly string[] {
  const small = (one: string): string => `\\u00${hexOf(one)}`
  const large = (one: string): string => `\\u00${hexOf(one).toUpperCase()}`
  const forms = [
    ...numberedInJson.map((those) => jsonWith(text, those, small)),
    ...numberedLargeInJson.map((those) => jsonWith(text, those, large)),
  ]
  // PHP escapes slashes, too.
  return forms.flatMap((form) => [form, form.replaceAll('/', '\\/')])
}

function jsonWith(text: string, numbered: string, byNumber: (one: string) => string): string {
  return each(text, (one) =>
    numbered.includes(one) ? byNumber(one) : JSON.stringify(one).slice(1, -1),
  )
}

/** What is escaped beside `&<>"'`: by Go; Handlebars; Mustache; OWASP's rules. */
const moreInHtml: readonly Readonly<Record<string, string>>[] = [
  {},
  { '+': '&#43;' },
  { '`': '&#x60;', '=': '&#x3D;' },
  { '`': '&#x60;', '=': '&#x3D;', '/': '&#x2F;' },
  { '/': '&#x2F;' },
]
const quotesInHtml = ['&quot;', '&#34;', '&#x22;', '"']
const apostrophesInHtml = ["'", '&#39;', '&#x27;', '&#039;', '&apos;']

function htmlForms(text: string): readonly string[] {
  const named: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }
  return moreInHtml.flatMap((more) =>
    quotesInHtml.flatMap((quote) =>
      apostrophesInHtml.map((apostrophe) => {
        const written = new Map(Object.entries({ ...named, ...more, '"': quote, "'": apostrophe }))
        return each(text, (one) => written.get(one) ?? one)
      }),
    ),
  )
}

function each(text: string, written: (one: string) => string): string {
  return Array.from(text, written).join('')
}

function isPlain(character: string): boolean {
  return /^[A-Za-z0-9]$/.test(character)
}

function octet(character: string): string {
  return `%${hexOf(character).toUpperCase()}`
}

function hexOf(character: string): string {
  return character.charCodeAt(0).toString(16).padStart(2, '0')
}

/** The characters that the secret alone decides, where `before` bytes (modulo 3) stand before it. */
function base64Forms(bytes: Buffer, before: number): readonly string[] {
  const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64')
  const from = Math.ceil((before * 8) / 6)
  const to = Math.floor(((before + bytes.length) * 8) / 6)
  const form = encoded.slice(from, to)
  return [form, form.replaceAll('+', '-').replaceAll('/', '_')]
}
