import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { compactVerify, type JWTPayload, jwtVerify } from 'jose'
import { verifyForeignToken } from '../../server/oauth/federated/foreign-token.ts'
import { ruleFor } from '../../server/oauth/federated/rules.ts'
import { federatedSchema, readFederated } from '../../server/oauth/federated/settings.ts'
import { refusedRecord, SubjectRefusal } from '../../server/oauth/federated/subject-refusal.ts'
import { type Access, readAccess } from '../../src/resource-server/access-token.ts'
import { signedTokens } from '../../src/resource-server/signed-tokens.ts'
import { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { type JwtSvid, verifyJwtSvid } from '../../src/svid/jwt-svid.ts'
import {
  makeToken,
  newTokenWorld,
  type TokenWorld,
  tokenRecipes,
} from '../interop/parsers/tokens.ts'
import { encode, signAs } from '../spec/jwt-svid/tokens.ts'
import { editedJson, type JsonNode, jsonEdits, jsonText, jsonTree } from '../support/json-tree.ts'
import { githubClaims, gitlabClaims, kubernetesClaims } from '../support/oidc-issuer.ts'
import { editedText } from '../support/text-edits.ts'
import { withTextBytes } from './bytes.ts'
import type { Parser } from './target.ts'

const td = TrustDomain.parse('example.org')
const jsonPieces = [...'{}[]":,', 'null', '1e400', '-1', '\\u0000', '"__proto__":1,']

/** Header and claims that are signed after they were changed, and whole tokens. */
export async function tokenParser(seed: number): Promise<Parser> {
  const world = await newTokenWorld()
  // However long it goes on, its tokens are as old as they were at first.
  const now = new Date()
  // Signed once: to sign takes longer than all else.
  const made = fc
    .sample(tokenRecipes, { seed, numRuns: 300 })
    .map((recipe) => makeToken(recipe, world))
  const pieces = [...'AZaz09-_=.+/ \n\0', '..', '.'.repeat(1000), 'A'.repeat(1000)]
  const whole = editedText(fc.constantFrom(...made.map(({ token }) => token)), pieces)
  const trees = made.flatMap(({ header, payload }) => treeOf(`[${header},${payload}]`))
  const edits = jsonEdits(
    ['alg', 'kid', 'typ', 'crit', 'sub', 'aud', 'exp', 'nbf', 'iat'],
    ['"ES256"', '"RS512"', '"none"', '"ec"', '"me"', '["me"]', '"spiffe://example.org/b"'],
  )
  const unsigned = fc
    .tuple(fc.constantFrom(...trees), fc.oneof(fc.constant([]), edits, edits))
    .map(([tree, some]) => linesOf(editedJson(tree, some)))
  return {
    inputs: withTextBytes(fc.oneof(unsigned, editedText(unsigned, jsonPieces), whole)),
    async take(input) {
      const token = signedToken(input, world)
      const { bundles } = world
      const svid = await verifyJwtSvid(token, { audience: 'me', bundles, now })
      await checkAgainstJose(svid, world, now)
    },
  }
}

function treeOf(text: string): JsonNode[] {
  try {
    return [jsonTree(JSON.parse(text))]
  } catch {
    return []
  }
}

/** Header and claims in a line each. */
function linesOf({ inside }: JsonNode): string {
  return (inside as JsonNode[]).map(jsonText).join('\n')
}

/** Two lines are signed, as the header says; one is a token. */
function signedToken(input: Uint8Array, world: TokenWorld): string {
  const text = Buffer.from(input).toString('latin1')
  if (!text.startsWith('{') || !text.includes('\n')) return Buffer.from(input).toString()
  const signed = signedLines(input)
  const [, alg = 'ES256'] = /"((?:ES|RS|PS)(?:256|384|512))"/.exec(text) ?? []
  const { authorities } = world
  const byCurve = { ES256: authorities.ec, ES384: authorities.ec384, ES512: authorities.ec521 }
  const { privateKey } = byCurve[alg as keyof typeof byCurve] ?? authorities.rsa
  return `${signed}.${signAs(alg, Buffer.from(signed), privateKey).toString('base64url')}`
}

/** Another reader sees the signature, and the same claims. */
async function checkAgainstJose(
  svid: JwtSvid,
  { authorities }: TokenWorld,
  now: Date,
): Promise<void> {
  const { foreign: _, ...ours } = authorities
  const reads = Object.values(ours).map(async ({ publicKey }) =>
    compactVerify(svid.token, createPublicKey({ key: publicKey, format: 'der', type: 'spki' })),
  )
  const { payload } = await Promise.any(reads)
  const claims: unknown = JSON.parse(Buffer.from(payload).toString())
  if (!isDeepStrictEqual(claims, { ...svid.claims })) throw new Error('jose reads other claims')
  const { sub, aud, exp } = svid.claims
  const isFor = Array.isArray(aud) ? aud.includes('me') : aud === 'me'
  if (!isFor || Number(exp) * 1000 <= now.getTime() - 60_000)
    throw new Error('not for us, or expired')
  if (sub !== svid.spiffeId || SpiffeId.trustDomainOf(SpiffeId.parse(String(sub))) !== td) {
    throw new Error('a foreign subject')
  }
}

const issuerKinds = ['github', 'gitlab', 'kubernetes', 'oidc'] as const

/** Claims of other issuers, signed as they come: what is changed in them is reached. */
export async function foreignTokenParser(): Promise<Parser> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const oidcClaims = (aud: string) => ({ ...githubClaims(aud), sub: '74' })
  const samples = [githubClaims, gitlabClaims, kubernetesClaims, oidcClaims].map((claimsOf, at) =>
    jsonTree({ iss: `https://${issuerKinds[at]}.example`, ...claimsOf('me') }),
  )
  const names = ['repository_id', 'project_id', 'kubernetes.io/serviceaccount/uid', 'sub']
  const said = issuerKinds.map((kind, at) => ({
    ...{ issuer: `https://${kind}.example`, kind, audience: 'me', algorithms: ['ES256'] },
    rules: [{ match: { [names[at] ?? '']: '74' }, as: 'spiffe://example.org/ci' }],
  }))
  const own = { issuer: 'https://as.example', trustDomain: td }
  const issuers = new Map(
    [...readFederated(federatedSchema.parse(said), own)].map(([issuer, settings]) => [
      issuer,
      { settings, keys: async () => spki },
    ]),
  )
  const at = new Date()
  const now = Math.floor(at.getTime() / 1000)
  const edits = jsonEdits(
    ['iss', 'aud', 'sub', 'exp', 'iat', 'nbf', 'jti', 'uid', 'kubernetes.io', ...names],
    ['"74"', '74', '"me"', '["me"]', '"https://oidc.example"', String(now), String(now + 300)],
  )
  const changed = fc
    .tuple(fc.constantFrom(...samples), edits)
    .map(([tree, some]) => jsonText(editedJson(tree, some)))
  const asTheyAre = fc.constantFrom(...samples.map(jsonText))
  return {
    inputs: withTextBytes(fc.oneof(changed, changed, editedText(asTheyAre, jsonPieces))),
    async take(claims) {
      const header = encode({ alg: 'ES256', kid: 'a', x5t: 'b' })
      const signed = `${header}.${Buffer.from(claims).toString('base64url')}`
      const token = `${signed}.${es256(signed, privateKey)}`
      const found = await verifyForeignToken(token, issuers, at)
      const { iss, aud, sub } = JSON.parse(Buffer.from(claims).toString())
      if (found.subject !== sub || found.issuer.issuer !== iss || String(aud) !== 'me') {
        throw new Error('another issuer, subject or audience')
      }
      const refusal = new SubjectRefusal('subject-rule', found)
      return ruleFor(found.issuer.rules, found.claims) ?? refusedRecord(refusal)
    },
  }
}

const thumbprint = 'A'.repeat(43)

/** Access tokens that are signed after they were changed, as a service takes them. */
export async function accessTokenParser(): Promise<Parser> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const read = signedTokens(async (keyId) => (keyId === 'a' ? spki : undefined))
  const now = new Date()
  const iat = Math.floor(now.getTime() / 1000)
  const claims = {
    ...{ iss: 'https://as.example', sub: 'spiffe://example.org/a', client_id: 'b', aud: 'me' },
    ...{ jti: 'c', iat, exp: iat + 86_400, scope: 'orders:read orders:write', txn: 'd' },
    ...{ entry_id: 'e', owner: 'team', purpose: 'shop' },
  }
  const header = { alg: 'ES256', kid: 'a', typ: 'at+jwt' }
  const samples = [
    claims,
    { ...claims, aud: ['me'], nbf: iat, act: { sub: 'b', act: { sub: 'f', act: { sub: 'g' } } } },
    { ...claims, cnf: { 'x5t#S256': thumbprint } },
  ].map((one) => jsonTree([header, one]))
  const edits = jsonEdits(
    ['typ', 'kid', 'aud', 'act', 'cnf', 'jti', 'nbf', 'scope', 'x5t#S256', 'jkt', 'client_id'],
    [
      '"at+jwt"',
      '"application/at+jwt"',
      '"me"',
      '["me"]',
      '["me","you"]',
      '{"sub":"x"}',
      String(iat),
    ],
  )
  const changed = fc
    .tuple(fc.constantFrom(...samples), fc.oneof(fc.constant([]), edits, edits))
    .map(([tree, some]) => linesOf(editedJson(tree, some)))
  const asTheyAre = fc.constantFrom(...samples.map(linesOf))
  return {
    inputs: withTextBytes(fc.oneof(changed, changed, editedText(asTheyAre, jsonPieces))),
    async take(input) {
      const signed = signedLines(input)
      const token = `${signed}.${es256(signed, privateKey)}`
      const expected = {
        ...{ issuer: claims.iss, audience: 'me', clockSkewSeconds: 5, thumbprint, now },
        requireBound: input.length % 2 === 0,
      }
      const access = readAccess((await read(token)).claims, expected)
      const again = readAccess((await read(token)).claims, expected)
      if (!isDeepStrictEqual(again, access)) throw new Error('another one when shown again')
      // Whatever is accepted, others would accept; they find less in it.
      const { payload } = await jwtVerify(token, publicKey, {
        ...{ issuer: claims.iss, audience: 'me', typ: 'at+jwt', clockTolerance: 5 },
        ...{ currentDate: now, requiredClaims: ['exp', 'iat', 'sub', 'jti', 'client_id'] },
      })
      checkAccess(access, payload)
    },
  }
}

function checkAccess(access: Access, { sub, act, cnf, scope, ...payload }: JWTPayload): void {
  const actors: unknown[] = []
  for (let at = act; at !== undefined; ) {
    const { sub: name, act: before } = at as { readonly sub: unknown; readonly act?: unknown }
    actors.push(name)
    at = before
  }
  if (!isDeepStrictEqual([...access.actors], actors)) throw new Error('other actors')
  if (access.subject !== sub || access.tokenId !== payload.jti) throw new Error('another token')
  if (access.bound !== (cnf !== undefined)) throw new Error('bound, or not')
  const scopes = [...access.scopes].join(' ')
  if (scopes !== [...new Set(String(scope ?? '').split(' '))].filter(Boolean).join(' ')) {
    throw new Error('other scopes')
  }
}

/** Two lines, as they are signed. */
function signedLines(input: Uint8Array): string {
  const end = input.indexOf(0x0a)
  return [input.subarray(0, Math.max(end, 0)), input.subarray(end + 1)]
    .map((part) => Buffer.from(part).toString('base64url'))
    .join('.')
}

function es256(signed: string, key: KeyObject): string {
  return sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }).toString(
    'base64url',
  )
}
