/** Shorter than this a form is part of too much that has nothing to do with the secret. */
const minFormLength = 8

/**
 * The ways in which a vendor's answer may repeat a secret (printable ASCII): as it is, in base64 and base64url at
 * each of the three places that it may have in what is encoded, in hexadecimal, escaped for URLs, for JSON and for HTML.
 */
export function formsOf(secret: string): readonly Buffer[] {
  const bytes = Buffer.from(secret, 'latin1')
  const forms = new Set<string>([
    secret,
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    ...urlForms(secret),
    new URLSearchParams({ '': secret }).toString().slice(1),
    ...jsonForms(secret),
    ...htmlForms(secret),
    ...[0, 1, 2].flatMap((before) => base64Forms(bytes, before)),
  ])
  return [...forms]
    .filter((form) => form === secret || form.length >= minFormLength)
    .map((form) => Buffer.from(form, 'latin1'))
}

/** RFC 3986 reserves five more than JavaScript escapes. */
function urlForms(secret: string): readonly string[] {
  const escaped = encodeURIComponent(secret)
  const all = escaped.replaceAll(/[!'()*]/g, (one) => `%${hexOf(one).toUpperCase()}`)
  return [escaped, all].flatMap((form) => [
    form,
    form.replaceAll(/%[0-9A-F]{2}/g, (octet) => octet.toLowerCase()),
  ])
}

/** As JavaScript and PHP write it; as Go does, and others that keep HTML out of JSON; as .NET does. */
function jsonForms(secret: string): readonly string[] {
  const escaped = JSON.stringify(secret).slice(1, -1)
  const unit = (one: string): string => `\\u00${hexOf(one)}`
  return [
    ...[escaped, escaped.replaceAll('/', '\\/')],
    ...[escaped.replaceAll(/[&<>]/g, unit), escaped.replaceAll(/[&<>']/g, unit)],
    secret
      .replaceAll(/["&'+<>`]/g, (one) => `\\u00${hexOf(one).toUpperCase()}`)
      .replaceAll(/\\(?!u00)/g, '\\\\'),
  ]
}

function htmlForms(secret: string): readonly string[] {
  const named = secret.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  const quotes = ['&quot;', '&#34;', '&#x22;', '"']
  const apostrophes = ["'", '&#39;', '&#x27;', '&#039;', '&apos;']
  return quotes.flatMap((quote) =>
    apostrophes.map((one) => named.replaceAll('"', quote).replaceAll("'", one)),
  )
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
