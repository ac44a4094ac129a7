// What a service spends on an access token, in µs of CPU: the signature alone, by the bare library; a token that it sees
// for the first time, with and without 100,000 revocations known; one that it has seen before, with and without them.
import { generateKeyPairSync } from 'node:crypto'
import { compactVerify, SignJWT } from 'jose'
import type { Revocations } from '../src/resource-server/standing-check.ts'
import { createVerifier, type Verifier } from '../src/resource-server/verifier.ts'
import { factKinds, type NumberedFact } from '../src/revocation/fact.ts'
import { FollowedState } from '../src/revocation/followed-state.ts'
import { systemClock } from '../src/runtime/clock.ts'
import { bounded, median, report, short } from './support/report.ts'

const issuer = 'https://as.example.org'
const audience = 'https://orders.example.org'
const revoked = 100_000
const tokens = short ? 200 : 2000
const rounds = short ? 3 : 9
const again = 10
const pairs = short ? 1 : 5

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'one', use: 'sig' }
const jwks = async (): Promise<string> => JSON.stringify({ keys: [jwk] })
const seconds = Math.floor(Date.now() / 1000)
const id = (path: string): string => `spiffe://example.org${path}`

/** As a token of Countersign's: of the client's own, or exchanged for the third hop. */
async function sign(number: number, act?: object): Promise<string> {
  return new SignJWT({
    ...{ iss: issuer, aud: audience, sub: id('/web'), client_id: id(act ? '/orders' : '/web') },
    ...{ jti: crypto.randomUUID(), txn: crypto.randomUUID(), scope: 'orders:read orders:write' },
    ...{ entry_id: `entry-${number % 100}`, owner: 'shop', purpose: 'serves the shop' },
    ...{ iat: seconds, exp: seconds + 3600, ...(act !== undefined && { act }) },
  })
    .setProtectedHeader({ alg: 'ES256', kid: 'one', typ: 'at+jwt' })
    .sign(privateKey)
}

const facts: NumberedFact[] = []
function revoke(kind: NumberedFact['kind'], what: string): void {
  const [notBefore, endsAt] = [seconds, seconds + 3600]
  facts.push({ number: facts.length + 1, kind, id: what, notBefore, endsAt })
}
for (let n = 0; n < revoked; n += 2) {
  revoke('token', crypto.randomUUID())
  revoke('spiffe-id', id(`/revoked/${n}`))
}
// None of the look-ups may be left out.
for (const kind of factKinds) revoke(kind, `${kind}.example`)

// As a feed knows them that is an hour behind at most: it is judged at each verification how old they are.
const followed = new FollowedState()
followed.begin({ nonce: 'bench', sentAtMs: systemClock.monotonicMs() })
followed.take(
  {
    ...{ iss: issuer, log: 'bench', run: 'bench', clock: 0, facts },
    ...{ head: { number: facts.length, hash: 'bench' }, page: { number: 1, of: 1 } },
    hello: { nonce: 'bench', now: 0 },
  },
  systemClock.monotonicMs(),
)
const known: Revocations = {
  fresh: () => followed.ageMs(systemClock.monotonicMs(), systemClock.now()) < 3_600_000,
  judge: (claims, keyId) => followed.facts.judge(claims, keyId),
}
const verifierWith = (revocations?: Revocations): Verifier =>
  createVerifier({ issuer, audience, jwks, ...(revocations && { revocations }) })

const act = { sub: id('/orders'), act: { sub: id('/gate') } }
const some = (of?: object) => Promise.all(Array.from({ length: tokens }, (_, n) => sign(n, of)))
const [own, exchanged] = [await some(), await some(act)]

async function microsEach(times: number, work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / times
}

const verifyAll = async (verifier: Verifier, all = own): Promise<void> => {
  for (const token of all) await verifier.verify(token)
}
const first = (revocations?: Revocations): Promise<number> =>
  microsEach(tokens, () => verifyAll(verifierWith(revocations)))
const bare = (): Promise<number> =>
  microsEach(tokens, async () => {
    for (const token of own) await compactVerify(token, publicKey)
  })
async function seen(verifier: Verifier, all = own): Promise<number> {
  return microsEach(tokens * again, async () => {
    for (let n = 0; n < again; n += 1) await verifyAll(verifier, all)
  })
}

const plain = verifierWith()
const watchful = verifierWith(known)
for (const verifier of [plain, watchful]) {
  await verifyAll(verifier)
  await verifyAll(verifier, exchanged)
}
await seen(plain)

/** What revocations cost, of pairs taken one right after the other: the machine's speed drifts, the difference does not. */
async function costs(all = own): Promise<{ readonly without: number; readonly over: number }[]> {
  const found: { without: number; over: number }[] = []
  for (let pair = 0; pair < pairs; pair += 1) {
    const without = await seen(plain, all)
    found.push({ without, over: (await seen(watchful, all)) - without })
  }
  return found
}

type First = 'signature' | 'first' | 'firstOfRevoked'
const firsts: Record<First, number>[] = []
const [ofOwn, ofExchanged] = [await costs(), await costs(exchanged)]
for (let round = 0; round < rounds; round += 1) {
  ofOwn.push(...(await costs()))
  ofExchanged.push(...(await costs(exchanged)))
  firsts.push({
    signature: await bare(),
    first: await first(),
    firstOfRevoked: await first(known),
  })
}
const middle = (values: readonly number[]): number => Math.round(median(values) * 100) / 100
const of = (name: First): number => middle(firsts.map((one) => one[name]))
const over = (costs: typeof ofOwn): number => middle(costs.map((one) => one.over))

report('verify', {
  'revoked over the signature': bounded(over(ofOwn), 1, 'µs', {
    revoked,
    exchangedTwice: over(ofExchanged),
    pairs: ofOwn.length,
  }),
  'token seen before': { ours: middle(ofOwn.map((one) => one.without)), unit: 'µs' },
  'token for the first time': {
    ours: of('firstOfRevoked'),
    bare: of('signature'),
    unit: 'µs',
    withoutRevoked: of('first'),
  },
})
