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
    encodeURIComponent(secret),
    encodeURIComponent(secret).replaceAll(/%[0-9A-F]{2}/g, (octet) => octet.toLowerCase()),
    new URLSearchParams({ '': secret }).toString().slice(1),
    ...jsonForms(secret),
    ...htmlForms(secret),
    ...[0, 1, 2].flatMap((before) => base64Forms(bytes, before)),
  ])
  return [...forms]
    .filter((form) => form === secret || form.length >= minFormLength)
    .map((form) => Buffer.from(form, 'latin1'))
}

function jsonForms(secret: string): readonly string[] {
  const escaped = JSON.stringify(secret).slice(1, -1)
  return [escaped, escaped.replaceAll('/', '\\/')]
}

function htmlForms(secret: string): readonly string[] {
  const names: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
  }
  const escaped = secret.replaceAll(/[&<>"]/g, (character) => names[character] ?? character)
  return [escaped, escaped.replaceAll("'", '&#39;'), escaped.replaceAll("'", '&#x27;')]
}

/** The characters that the secret alone decides, where `before` bytes (modulo 3) stand before it. */
function base64Forms(bytes: Buffer, before: number): readonly string[] {
  const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64')
  const from = Math.ceil((before * 8) / 6)
  const to = Math.floor(((before + bytes.length) * 8) / 6)
  const form = encoded.slice(from, to)
  return [form, form.replaceAll('+', '-').replaceAll('/', '_')]
}
