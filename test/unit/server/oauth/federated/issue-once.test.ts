import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ClientDoorDeps } from '../../../../../server/oauth/client-door.ts'
import type { FederatedAuthenticator } from '../../../../../server/oauth/federated/federated.ts'
import type { FederatedIssuer } from '../../../../../server/oauth/federated/settings.ts'
import { createTokenDoor } from '../../../../../server/oauth/token-door.ts'
import { tokenExchangeGrant, tokenTypes } from '../../../../../server/oauth/token-types.ts'
import type { Entry } from '../../../../../src/entry/entry.ts'
import { CountersignError } from '../../../../../src/errors.ts'
import { createCsr } from '../../../../../src/x509/csr.ts'
import { generateKeyPair, softwareSigner } from '../../../../../src/x509/key.ts'
import { toPem } from '../../../../../src/x509/pem.ts'
import { form, orders } from '../../../../support/oauth.ts'
import { entryOf } from '../../entry/samples.ts'
import { type OauthWorld, startWorld, web } from '../oauth-world.ts'

/** A foreign token is what its `jti` is; each is good once. */
const federated: Pick<FederatedAuthenticator, 'knows' | 'authenticate'> = {
  knows: () => true,
  async authenticate(jti) {
    const now = world.clock.now()
    const issuer = { issuer: 'https://ci.example', singleUse: true, rules: [] as const }
    const issue = new Set(['access_token', 'jwt_svid', 'x509_svid'] as const)
    return {
      ...{ spiffeId: web, rule: { id: 'one', match: new Map(), as: web, issue } },
      gives: () => ruleIsThere,
      token: {
        ...{
          issuer: issuer as unknown as FederatedIssuer,
          claims: {},
          subject: 'a job',
          jti,
          podUid: undefined,
        },
        ...{ issuedAt: now, expiresAt: new Date(now.getTime() + 300_000) },
      },
    }
  },
}

const closing = new AsyncDisposableStack()
let world: OauthWorld
/** How often whatever signs fails before it does sign. */
let failures = 0
let storeIsAway = false
let revision = 'before'
let ruleIsThere = true
/** What happens while something is signed. */
let meanwhile = (): void => {}
let entriesOf: ClientDoorDeps['entriesOf'] | undefined

beforeAll(async () => {
  world = await startWorld(closing)
})
beforeEach(async () => {
  // So that all that is refused is on record.
  await world.clock.advance(10_000)
  failures = 0
  storeIsAway = false
  ruleIsThere = true
  meanwhile = () => {}
  entriesOf = undefined
})
afterAll(() => closing[Symbol.asyncDispose]())

function away(): CountersignError {
  return new CountersignError('unavailable', 'the trail takes nothing', {
    reason: 'audit-unwritable',
  })
}

function door() {
  const { ca, useOnce } = world.deps
  const failing = <A, R>(sign: (asked: A) => Promise<R>) => {
    return async (asked: A): Promise<R> => {
      // Others come by meanwhile.
      await new Promise((resolve) => setImmediate(resolve))
      meanwhile()
      if (failures === 0) return sign(asked)
      failures -= 1
      throw away()
    }
  }
  return createTokenDoor({
    ...{ ...world.deps, federated },
    entriesOf: (id) => (entriesOf ?? world.deps.entriesOf)(id),
    policies: {
      ...world.deps.policies,
      get revision() {
        return revision
      },
    },
    async useOnce(token) {
      const used = await useOnce(token)
      revision = 'after'
      return used && { giveBack: () => (storeIsAway ? Promise.reject(away()) : used.giveBack()) }
    },
    ca: {
      issueAccessToken: failing((asked) => ca.issueAccessToken(asked)),
      issueJwt: failing((asked) => ca.issueJwt(asked)),
      issueX509: failing((asked) => ca.issueX509(asked)),
    },
  })
}

test('on record is which policies have decided, though others come into force as the token is used up', async () => {
  revision = 'before'
  expect(await exchange('decided before')).toBe(200)
  expect([revision, world.records().at(-1)?.['policyRevision']]).toEqual(['after', 'before'])
})

async function exchange(jti: string, more: Readonly<Record<string, string>> = {}): Promise<number> {
  const { status } = await door().answer({
    body: form({
      ...{ grant_type: tokenExchangeGrant, subject_token: jti, ...more },
      ...{ subject_token_type: tokenTypes.jwt, resource: orders, scope: 'orders:read' },
    }),
    ...{ authorization: undefined, chain: [], address: '10.0.0.1:4000' },
  })
  return status
}

const csr = toPem(
  'CERTIFICATE REQUEST',
  await createCsr(softwareSigner((await generateKeyPair('ec-p256')).privateKey)),
)

describe.each([
  ['an access token', {}],
  ['a JWT-SVID', { requested_token_type: tokenTypes.jwt, audience: 'https://db.example' }],
  ['an X.509-SVID', { requested_token_type: tokenTypes.x509Svid, csr }],
])('T30 a foreign token that is good once, and %s:', (what, more) => {
  test('where nothing could be issued the same token may be shown again; once something was, never', async () => {
    failures = 2
    const statuses: number[] = []
    for (let i = 0; i < 5; i += 1) statuses.push(await exchange(what, more))
    expect(statuses).toEqual([503, 503, 200, 400, 400])
    expect(world.records().at(-1)).toMatchObject({ reason: 'subject-replayed' })
  })

  test('of many at once, some of which get nothing, at most one gets something', async () => {
    for (let round = 0; round < 10; round += 1) {
      failures = round % 3
      const jti = `${what} ${round}`
      const at = Array.from({ length: 6 }, () => exchange(jti, more))
      const got = (await Promise.all(at)).filter((status) => status === 200).length
      expect(got).toBeLessThanOrEqual(1)
      failures = 0
      // Whoever comes afterwards gets it where nobody has.
      expect(await exchange(jti, more)).toBe(got === 1 ? 400 : 200)
    }
  })

  test('what was signed while its rule went does not leave', async () => {
    const jti = `${what} without a rule`
    meanwhile = () => {
      ruleIsThere = false
    }
    expect(await exchange(jti, more)).toBe(400)
    expect(world.records().at(-1)).toMatchObject({ kind: 'token.denied', reason: 'policy-rule' })
    meanwhile = () => {}
    ruleIsThere = true
    expect(await exchange(jti, more)).toBe(200)
  })

  test('where it cannot be given back it stays used up', async () => {
    failures = 1
    storeIsAway = true
    expect(await exchange(`${what} lost`, more)).toBe(503)
    expect(await exchange(`${what} lost`, more)).toBe(400)
  })
})

test.for([
  { requested_token_type: tokenTypes.jwt, audience: 'https://db.example' },
  { requested_token_type: tokenTypes.x509Svid, csr },
])(
  'T26 an SVID whose entry is ended while it is signed does not leave: %o',
  async (more, { task }) => {
    let looks = 0
    entriesOf = (id) => {
      looks += 1
      return looks === 1 ? world.deps.entriesOf(id) : []
    }
    expect(await exchange(task.id, more)).toBe(401)
    expect(world.records().at(-1)).toMatchObject({ kind: 'token.denied', reason: 'client-unknown' })
    // The foreign token has given nothing, and may be shown again.
    entriesOf = undefined
    expect(await exchange(task.id, more)).toBe(200)
  },
)

describe('no SVID is given by a foreign token', () => {
  const kinds: readonly Readonly<Record<string, string>>[] = [
    { requested_token_type: tokenTypes.jwt, audience: 'https://db.example' },
    { requested_token_type: tokenTypes.x509Svid, csr },
  ]

  test.for<[string, string, readonly Partial<Entry>[]]>([
    ['for an ID that several entries carry', 'target-entries', [{ id: 'a' }, { id: 'b' }]],
    ['of an administrator', 'policy-rule', [{ admin: true }]],
    ['of a nested server', 'policy-rule', [{ downstream: true }]],
  ])('%s (%s)', async ([what, reason, entries]) => {
    entriesOf = () => entries.map((more) => entryOf({ id: 'a', spiffeId: web, ...more }))
    for (const [at, more] of kinds.entries()) {
      expect(await exchange(`${what} ${at}`, more)).toBe(400)
      expect(world.records().at(-1)).toMatchObject({ kind: 'token.denied', reason })
    }
    // What is refused is not used up.
    entriesOf = undefined
    for (const [at, more] of kinds.entries())
      expect(await exchange(`${what} ${at}`, more)).toBe(200)
  })

  test('to who has not got the key of the request', async () => {
    const [own, other] = [await generateKeyPair('ec-p256'), await generateKeyPair('ec-p256')]
    const { sign } = softwareSigner(other.privateKey)
    const signer = { ...softwareSigner(own.privateKey), sign }
    const stolen = toPem('CERTIFICATE REQUEST', await createCsr(signer))
    const mislabelled = csr.replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE')
    for (const asked of [stolen, csr + csr, mislabelled]) {
      const more = { requested_token_type: tokenTypes.x509Svid, csr: asked }
      expect(await exchange('a key of another', more)).toBe(400)
      expect(world.records().at(-1)).toMatchObject({ reason: 'request-csr' })
    }
  })
})
