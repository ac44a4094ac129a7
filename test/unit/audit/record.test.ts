import { generateKeyPairSync, hash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { chainStart, nextLine } from '../../../src/audit/chain.ts'
import type { AuditEvent } from '../../../src/audit/event.ts'
import { recordOf } from '../../../src/audit/record.ts'
import { withoutSecrets } from '../../../src/audit/secret-look.ts'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import { growth } from '../../support/cost.ts'
import { makeHeadKey, signHead } from '../../support/signed-trail.ts'

const web = SpiffeId.parse(
  'spiffe://example.org/ns/Production/sa/Web-Frontend-Of-The-Shop-In-Europe-1',
)
const thumbprint = hash('sha256', 'certificate', 'base64url')
const plain: AuditEvent = {
  kind: 'token.exchanged',
  time: new Date('2026-06-01T12:00:00Z'),
  actor: {
    kind: 'workload',
    id: web,
    entryId: '0196f0a0-0000-7000-8000-000000000001',
    owner: 'team-web',
    node: SpiffeId.parse('spiffe://example.org/spire/agent/join_token/7f9c24e8'),
    auth: 'spiffe_x509',
    address: '[2001:db8::1]:443',
    serial: '1f'.repeat(20),
    thumbprint,
  },
  spiffeId: web,
  subject: 'repo:org/app:ref:refs/heads/main',
  actors: [web, 'spiffe://example.org/gateway'],
  transaction: '8b1d6a3e-4c1f-4b53-9d2a-000000000001',
  parentJti: '8b1d6a3e-4c1f-4b53-9d2a-000000000002',
  entryId: '0196f0a0-0000-7000-8000-000000000002',
  jti: 'aB3'.repeat(14),
  grant: 'urn:ietf:params:oauth:grant-type:token-exchange',
  audience: ['https://orders.example.org/Api/V2/orders-of-customers'],
  scope: ['orders:read'],
  ttlSeconds: 300,
  confirmation: thumbprint,
  authorityId: '0f'.repeat(20),
  expiresAt: new Date('2026-06-01T12:05:00Z'),
  owner: 'team-web',
  purpose: 'invoices of the month, for the shop in Europe',
  resourceOwner: 'team-orders',
  decision: 'allow',
  reason: 'policy-permits',
  policies: ['web-reads-orders'],
  policyRevision: hash('sha256', 'policies', 'hex'),
  cached: true,
  requestId: '7f9c24e8-3b12-4b0f-9c11-000000000001',
  trace: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  details: { tokenSha256: hash('sha256', 'token', 'hex'), depth: 2 },
}

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length + 32 })
const base64 = (encoding: 'base64' | 'base64url', length: number) =>
  bytes(length).map((from) => Buffer.from(from).toString(encoding))
const jwt = fc
  .tuple(
    fc.dictionary(fc.string(), fc.string()),
    fc.dictionary(fc.string(), fc.jsonValue()),
    base64('base64url', 64),
  )
  .map(([header, claims, signature]) => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    return `${part({ alg: 'ES256', ...header })}.${part(claims)}.${signature}`
  })
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pem = fc.constantFrom(
  privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  privateKey.export({ type: 'sec1', format: 'pem' }).toString(),
)
const der = fc.constantFrom(
  privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64'),
  privateKey.export({ type: 'pkcs8', format: 'der' }).toString('hex'),
)
// Chance without a capital letter looks like a word, and then it is one in ten thousand millions.
const random = fc.noShrink(fc.integer({ min: 32, max: 96 }).map((length) => randomBytes(length)))
const key = random.chain((from) =>
  fc.constantFrom(from.toString('base64'), from.toString('base64url'), `${from.toString('hex')}00`),
)
const secret = fc.oneof(jwt, pem, der, key)
const around = fc.constantFrom(
  '',
  'the key is ',
  'Authorization: Bearer ',
  'https://x/?token=',
  '"',
  'sub=',
  'a.',
)

const texts = (value: string): AuditEvent => ({
  ...plain,
  subject: value,
  actors: [value],
  audience: ['https://orders', value],
  scope: [value],
  grant: value,
  owner: value,
  purpose: value,
  resourceOwner: value,
  reason: value,
  policies: [value],
  policyRevision: value,
  requestId: value,
  trace: value,
  confirmation: `${value}=`,
  actor: { kind: 'node', address: value, auth: value, owner: value, thumbprint: `${value}=` },
  details: { said: value },
})

describe('an event as it is written', () => {
  test('T21 holds nothing that looks like a token, a key or an SVID, wherever somebody put it', () => {
    fc.assert(
      fc.property(secret, around, (value, before) => {
        const { line } = nextLine(chainStart, texts(`${before}${value}`))
        const written = JSON.stringify(JSON.parse(line))
        // Any 24 characters in a row of it would be too many.
        for (let at = 0; at + 24 <= value.length; at += 1) {
          const piece = value.slice(at, at + 24)
          if (/^[\w+/=.-]+$/.test(piece) && !/^[A-Z -]+$/.test(piece))
            expect(written).not.toContain(piece)
        }
      }),
      { numRuns: 200 },
    )
  })

  test('T21 holds no token where a name is expected, whoever has chosen the name', () => {
    fc.assert(
      fc.property(jwt, (token) => {
        const named = {
          ...plain,
          jti: token,
          parentJti: token,
          transaction: token,
          authorityId: token,
        }
        expect(nextLine(chainStart, named).line).not.toContain(token.slice(0, 24))
      }),
      { numRuns: 50 },
    )
  })

  test.each(['a', 'eyJ', 'MIaa', 'bearer ', ' ', '-', '=', 'a://', 'A/b', '-----BEGIN', '.', 'ey'])(
    'T12 is looked at in no more time than it is long, though it were 32 KiB of `%s`',
    async (part) => {
      const look = (size: number): unknown => {
        const text = part.repeat(Math.ceil(size / part.length))
        return [withoutSecrets(text), withoutSecrets(`a://b ${text}`)]
      }
      expect(await growth(32, 32_768, look)).toBeLessThan(8)
    },
  )

  test('T28 keeps the words of a path, however long it is, and no token that is one of them', () => {
    const path = '/v2/contacts/exportAll/everything/really/now'
    const token = `eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.${'aB3'.repeat(14)}`
    const said = (text: string) => recordOf({ ...plain, details: { path: text } })['details']
    expect(said(path)).toEqual({ path })
    expect(said(`${path}/${token}`)).toMatchObject({
      path: expect.stringMatching(/^\/v2\/contacts\/exportAll\/everything\/really\/now\/\[secret /),
    })
  })

  test.each([
    ['a short credential of HTTP', 'got authorization: Bearer short-one', 'short-one'],
    ['that of Basic', 'Basic dXNlcjpwYXNz', 'dXNlcjpwYXNz'],
    ['that of DPoP', 'DPoP short-one', 'short-one'],
    ['that of DPoP in small letters', 'dpop short-one', 'short-one'],
    ['DER in short lines', `MIIB\n${'ABCDEFGHIJKLMNOPQRSTUVWX\n'.repeat(5)}`, 'ABCDEFGH'],
  ])('T21 holds no credential that chance alone would not show: %s', (_name, text, secret) => {
    const record = recordOf({ ...plain, purpose: text, details: { said: text } })
    expect(JSON.stringify(record)).not.toContain(secret)
    expect(record['purpose']).toContain('[secret sha256:')
  })

  test('T21 what is no SHA-256 of a certificate is no thumbprint and no confirmation', () => {
    for (const value of ['short', `${thumbprint}A`, thumbprint.slice(1), '']) {
      const record = recordOf({
        ...plain,
        confirmation: value,
        actor: { ...plain.actor, thumbprint: value },
      })
      expect(record['confirmation']).toBeUndefined()
      expect(record['actor']).toMatchObject({ thumbprint: undefined })
    }
  })

  test('T21 a signed head is kept in the record of a head alone, and nothing else is kept as one', async () => {
    const signedHead = await signHead({ number: 1, hash: '0a'.repeat(32) }, makeHeadKey())
    const kept = (kind: AuditEvent['kind'], text: string) =>
      recordOf({ ...plain, kind, signedHead: text })['signedHead']
    expect(kept('trail.head', signedHead)).toBe(signedHead)
    expect(kept('token.issued', signedHead)).toBeUndefined()
    const token = `eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJ4In0.${'sIg0'.repeat(21)}`
    for (const text of [token, `${signedHead}.x`, signedHead.replace(/[^.]*$/, ''), 'text']) {
      expect(kept('trail.head', text)).toBeUndefined()
    }
  })

  test('says what was taken out by its SHA-256', () => {
    const token = `eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.${'sIg0'.repeat(21)}`
    expect(withoutSecrets(`see ${token}, please`)).toBe(
      `see [secret sha256:${hash('sha256', token, 'hex')}], please`,
    )
  })

  test.each([
    ['at its beginning', `MIaa${'aB3'.repeat(21)}`],
    ['in its middle', `${'aB3'.repeat(9)}MIaa${'aB3'.repeat(21)}`],
    [
      'in its middle, and a hyphen later',
      `${'aB3'.repeat(9)}MIaa${'aB3'.repeat(20)}-${'b'.repeat(39)}`,
    ],
  ])('T21 takes out the whole word in which DER seems to begin %s', (_where, word) => {
    expect(withoutSecrets(`key=${word}, it is`)).toBe(
      `key=[secret sha256:${hash('sha256', word, 'hex')}], it is`,
    )
  })

  test('keeps every member of the shape as it is, and no other', () => {
    const { line } = nextLine(chainStart, { ...plain, ...{ token: 'x' } })
    const { v, n, prev, hash: digest, ...rest } = JSON.parse(line)
    expect({ v, n, prev }).toEqual({ v: 1, n: 1, prev: chainStart.hash })
    expect(digest).toMatch(/^[0-9a-f]{64}$/)
    expect(rest).toEqual(JSON.parse(JSON.stringify(plain)))
    expect(Object.keys(recordOf(plain))).toEqual(expect.arrayContaining(Object.keys(plain)))
  })
})
