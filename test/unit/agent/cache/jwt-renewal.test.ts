import { beforeAll, beforeEach, expect, test } from 'vitest'
import { JwtCache } from '../../../../agent/cache/jwt.ts'
import type { Bundle, JwtAuthority } from '../../../../src/bundle/bundle.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { signCompact } from '../../../../src/jwt/sign.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { jwtSvidClaims } from '../../../../src/svid/jwt-svid.ts'
import { eventually } from '../../../../src/testing/eventually.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { generateKeyPair, type Signer, softwareSigner, spkiOf } from '../../../../src/x509/key.ts'
import { bundleWith, entryOf, trustDomain } from './fixture.ts'

const web = entryOf('/web', ['unix:uid:1000'], { id: 'web' })
const ttlMs = 300_000
const never = new AbortController()

let signers: Map<string, Signer>
let authorities: JwtAuthority[]
let bundle: Bundle
let clock: FakeClock
let asked: string[]
/** What the server signs with, and the audiences that it refuses. */
let keyId: string
let serverAheadMs: number
let refused: (audience: string) => boolean
let cache: JwtCache

beforeAll(async () => {
  signers = new Map()
  authorities = []
  for (const id of ['k1', 'k2']) {
    const { privateKey, publicKey } = await generateKeyPair('ec-p256')
    signers.set(id, softwareSigner(privateKey))
    const spki = spkiOf(publicKey)
    authorities.push({ keyId: id, publicKey: spki, expiresAt: undefined, tainted: false })
  }
})

beforeEach(() => {
  clock = new FakeClock()
  asked = []
  keyId = 'k1'
  serverAheadMs = 0
  refused = () => false
  bundle = bundleWith([], { jwtAuthorities: authorities })
  cache = new JwtCache({
    async issue(_, audience) {
      const [first = ''] = audience
      asked.push(first)
      if (refused(first)) throw new CountersignError('forbidden', 'no', { reason: 'no' })
      const issuedAt = new Date(clock.now().getTime() + serverAheadMs)
      const expiresAt = new Date(issuedAt.getTime() + ttlMs)
      const claims = jwtSvidClaims({ spiffeId: web.spiffeId, audience, issuedAt, expiresAt })
      return signCompact(signers.get(keyId) as Signer, keyId, claims)
    },
    bundles: { bundleOf: (name) => (name === trustDomain ? bundle : undefined) },
    goodFrom: () => undefined,
    clock,
    log: silentLog,
    random: () => 0.5,
  })
})

async function renewing(act: () => Promise<void>): Promise<void> {
  const over = new AbortController()
  const running = cache.run(over.signal).catch(() => undefined)
  try {
    await act()
  } finally {
    over.abort()
    await running
  }
  expect(clock.sleeping).toBe(0)
}

/** Lets the time pass; after each step the loop has, in real time, come to its next wait. */
async function pass(ms: number, stepMs: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    await clock.advance(stepMs)
    await eventually(() => clock.sleeping > 0)
  }
}

test('tokens that are refused keep no others from being renewed', async () => {
  const audiences = Array.from({ length: 20 }, (_, at) => `a${at}`)
  for (const audience of audiences) await cache.fetch(web, [audience], never)
  const tokens = (): Map<string, string> =>
    new Map(cache.records().map(({ audience: [first = ''], token }) => [first, token]))
  const before = tokens()
  // The ones that come first are more than are renewed at once.
  refused = (audience) => Number(audience.slice(1)) < 10
  await renewing(() => pass(ttlMs / 2 + 10_000, 1000))
  const now = tokens()
  const renewed = audiences.filter((audience) => now.get(audience) !== before.get(audience))
  expect(renewed).toEqual(audiences.slice(10))
})

test('a server that signs with a tainted key is not asked in a busy loop', async () => {
  await cache.fetch(web, ['a'], never)
  asked = []
  keyId = 'k2'
  bundle = bundleWith([], {
    jwtAuthorities: authorities.map((one) => ({ ...one, tainted: one.keyId === 'k2' })),
  })
  await renewing(() => pass(ttlMs / 2 + 20_000, 1000))
  expect(asked.length).toBeGreaterThan(2)
  expect(asked.length).toBeLessThan(14)
})

test.each([
  ['back', -3_600_000, 1],
  ['ahead', 3_600_000, 0],
])(
  'T20 a clock that jumps an hour %s, while the server’s is right, has nobody asked in a busy loop',
  async (_, jumpMs, renewals) => {
    await cache.fetch(web, ['a'], never)
    await renewing(async () => {
      asked = []
      clock.jump(jumpMs)
      serverAheadMs = -jumpMs
      await pass(ttlMs / 2 - 10_000, 1000)
      expect(asked).toEqual([])
      await pass(ttlMs, 1000)
      // By a clock that is ahead the token was over at once, and so would be the next.
      expect(asked).toHaveLength(renewals)
    })
  },
)
