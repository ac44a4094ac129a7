import { hash } from 'node:crypto'

/*
 * A trail is read by more people than may hold a credential, and it is kept for years. So what looks like
 * one is never written, whoever put it there: an operator in a purpose, a stranger in a parameter.
 */

/**
 * JWT and JWE of any kind, whole or cut (`ey` and a letter is `{"`), at the beginning of a word alone, or each `ey` of a
 * long one would be looked at to its end; PEM; DER in base64, with the whole word that it stands in: chance spells `MI`
 * too, and what is before and after it is as secret; HTTP credentials.
 */
const encoded =
  /(?<![\w-])ey[AIJKL][\w-]{5,}(?:\.[\w-]*){1,4}|-----BEGIN[\s\S]*|(?<![\w+/-])[\w+/-]*?MI[A-Za-z0-9+/]{2}[A-Za-z0-9+/=\s]{60,}[\w+/=-]*|\b(?:[Bb]earer|BEARER|[Bb]asic|[Dd]pop|DPoP)\s+\w[\w.~+/=-]{7,}/g
/** What chance alone spells: 40 or more characters of one word. */
const longWord = /[\w+=-]{40,}/g
const longWordWithSlash = /[\w+/=-]{40,}/g
/** An ID or a URL up to its query: its path is many words. A scheme has an end, or each letter of a long word would begin one. */
const location = /([a-z]{1,32}:\/\/[^\s?#"]*)/
const uuidLength = 36
/** Nothing that is looked for is spelt with these alone. */
const uuidOrHash = /^[0-9a-f-]{1,64}$/
const maxRemembered = 4096
const maxRememberedLength = 256

/** The text as it may be written: a credential in it gives way to `[secret sha256:…]`, the SHA-256 in hex. */
export const withoutSecrets: (text: string) => string = remembering((text) => {
  const plain = text.replace(encoded, removed)
  if (plain.length <= uuidLength) return plain
  if (!plain.includes('://')) return withoutRandom(plain, longWordWithSlash)
  return plain
    .split(location)
    .map((part, at) => withoutRandom(part, at % 2 === 1 ? longWord : longWordWithSlash))
    .join('')
})

/** As `withoutSecrets`, for names that chance may spell: a jti, a key id. */
export const withoutEncoded: (text: string) => string = remembering((text) =>
  text.replace(encoded, removed),
)

/** Short texts that held nothing are not looked at again: most of what is written was written before. */
function remembering(look: (text: string) => string): (text: string) => string {
  let harmless = new Set<string>()
  return (text) => {
    if (text.length < 12 || harmless.has(text) || uuidOrHash.test(text)) return text
    const plain = look(text)
    if (plain !== text || text.length > maxRememberedLength) return plain
    if (harmless.size >= maxRemembered) harmless = new Set()
    harmless.add(text)
    return text
  }
}

function withoutRandom(text: string, words: RegExp): string {
  return text.replace(words, (word) => (isRandom(word) ? removed(word) : word))
}

/** Capitals and small letters in one long word, or more hex than a SHA-256 has. */
function isRandom(word: string): boolean {
  return (/[a-z]/.test(word) && /[A-Z]/.test(word)) || /[0-9a-f]{65}|[0-9A-F]{64}/.test(word)
}

function removed(secret: string): string {
  return `[secret sha256:${hash('sha256', secret, 'hex')}]`
}
