import { createHash } from 'node:crypto'
import type { Bundle } from '../bundle/bundle.ts'
import { CountersignError } from '../errors.ts'
import type { Secret } from '../runtime/secret.ts'
import type { JwtSvid } from '../svid/jwt-svid.ts'
import type { X509Svid } from '../svid/x509-svid.ts'
import { toPem } from '../x509/pem.ts'
import { toPkcs12 } from './pkcs12.ts'

/** One file of a set. */
export interface SetFile {
  readonly name: string
  readonly content: Buffer
}

/** What the files are called. */
export interface FileNames {
  readonly key: string
  readonly cert: string
  readonly bundle: string
  readonly combined: string
  readonly pkcs12?: { readonly name: string; readonly password: Secret } | undefined
  readonly jwts: readonly JwtFile[]
}

export interface JwtFile {
  readonly audience: string
  readonly name: string
}

/** All that a set is made of. */
export interface Material {
  readonly svid: X509Svid
  /** Of the SVID's own trust domain: a pool of several would let each vouch for the others. */
  readonly bundle: Bundle
  /** One for each of `jwts`, in their order. */
  readonly tokens: readonly JwtSvid[]
}

/** Throws `invalid` / `usage` for a name that is not 1 to 64 of `A-Za-z0-9._-`, is taken by us, or stands twice. */
export function checkNames(names: FileNames): FileNames {
  const { key, cert, bundle, combined, pkcs12, jwts } = names
  const all = [key, cert, bundle, combined, ...jwts.map(({ name }) => name)]
  if (pkcs12 !== undefined) all.push(pkcs12.name)
  for (const [at, name] of all.entries()) {
    // Names with a dot in front, and `current`, are those of the folder itself.
    if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/.test(name) || name === 'current') {
      throw badName(name, 'cannot be the name of a file here')
    }
    if (all.indexOf(name) !== at) throw badName(name, 'stands for two files')
  }
  return names
}

function badName(name: string, what: string): CountersignError {
  return new CountersignError('invalid', `"${name.slice(0, 80)}" ${what}`, {
    reason: 'usage',
    fix: 'use 1 to 64 letters, digits, dots, dashes and underscores, without a dot in front; "current" is taken',
  })
}

/** The files, the secret ones too, in one order. */
export function layOut(names: FileNames, material: Material): readonly SetFile[] {
  const { svid, bundle, tokens } = material
  const key = toPem('PRIVATE KEY', svid.privateKey)
  const chain = certificates(svid.chain)
  const authorities = bundle.x509Authorities.map(({ certificate }) => certificate)
  const files = [
    text(names.key, key),
    text(names.cert, chain),
    text(names.bundle, certificates(authorities)),
    // The leaf first: what HAProxy and libpq look for. No empty line: one would end HAProxy's payload.
    text(names.combined, `${chain}${key}`),
    ...names.jwts.map(({ name }, at) => text(name, tokens[at]?.token ?? '')),
  ]
  if (names.pkcs12 !== undefined) {
    const { name, password } = names.pkcs12
    files.push({ name, content: toPkcs12(svid, password) })
  }
  return files
}

/** Two materials with the same one make the same files. */
export function fingerprint({ svid, bundle, tokens }: Material): string {
  const hash = createHash('sha256')
  const parts = [
    svid.privateKey,
    ...svid.chain,
    'bundle',
    ...bundle.x509Authorities.map(({ certificate }) => certificate),
    ...tokens.map(({ token }) => token),
  ]
  for (const part of parts) hash.update(`${part.length}:`).update(part)
  return hash.digest('hex')
}

function certificates(ders: readonly Buffer[]): string {
  return ders.map((der) => toPem('CERTIFICATE', der)).join('')
}

function text(name: string, content: string): SetFile {
  return { name, content: Buffer.from(content) }
}
