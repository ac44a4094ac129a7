import type { KeyObject } from 'node:crypto'
import { generateKeyPair, type KeyKind } from '../../src/x509/key.ts'
import { forge } from '../spec/jwt-svid/tokens.ts'
import type { Harness } from './running-harness.ts'
import { until } from './running-harness.ts'
import type { ScriptedWorkloadApi } from './workload-api.ts'

export const audience = 'conformance'
export const me = 'spiffe://example.org/me'

/** A key of a JWT bundle, as it stands there. */
export interface JwtKey {
  readonly keyId: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly jwk: Readonly<Record<string, unknown>>
}

/** `members` go over what the JWK would have; an undefined one is left out. */
export async function jwtKey(
  keyId: string,
  kind: KeyKind = 'ec-p256',
  members: Readonly<Record<string, unknown>> = {},
): Promise<JwtKey> {
  const { publicKey, privateKey } = await generateKeyPair(kind)
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: keyId, use: 'jwt-svid', ...members }
  return { keyId, privateKey, publicKey, jwk }
}

/** Good for five minutes, but for what `claims` says; `undefined` takes one out. */
export function claimsOf(claims: Readonly<Record<string, unknown>> = {}): object {
  const now = Math.floor(Date.now() / 1000)
  return { sub: me, aud: [audience], iat: now, exp: now + 300, ...claims }
}

/** A token as `key` would sign it, but for what is said otherwise. */
export function tokenOf(
  key: JwtKey,
  claims: Readonly<Record<string, unknown>> = {},
  header: Readonly<Record<string, unknown>> = {},
  algorithm = 'ES256',
): string {
  return forge(
    { alg: algorithm, kid: key.keyId, ...header },
    claimsOf(claims),
    key.privateKey,
    algorithm,
  )
}

/** The ID that the library finds in a token; undefined where it refuses the token. */
export async function validated(harness: Harness, token: string): Promise<string | undefined> {
  const { code, body } = await harness.ask('POST /v1/jwt/validate', { token, audience })
  if (code === 422 && body.status === 'rejected') return undefined
  if (code !== 200) throw new Error(JSON.stringify(body))
  return String(body['spiffe_id'])
}

const beacon = 'spiffe://beacon.example'

/** Hands out these sets of keys, by trust domain; resolves once the library goes by them. */
export async function pushKeys(
  { api, harness }: { readonly api: ScriptedWorkloadApi; readonly harness: Harness },
  sets: Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>,
): Promise<void> {
  const key = await jwtKey(`beacon-${performance.now()}`)
  const bundles = Object.entries({ ...sets, [beacon]: [key.jwk] }).map(([name, keys]) => [
    name,
    Buffer.from(JSON.stringify({ keys })),
  ])
  api.set('FetchJWTBundles', { say: { bundles: Object.fromEntries(bundles) } })
  const token = tokenOf(key, { sub: `${beacon}/light` })
  await until(async () => (await validated(harness, token)) !== undefined)
}
