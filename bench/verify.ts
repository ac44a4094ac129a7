// What a service spends on an access token, in µs of CPU: the signature alone, by the bare library; a token that it sees
// for the first time, with and without 100,000 revocations known; one that it has seen before, with and without them.
import { generateKeyPairSync } from 'node:crypto'
import { compactVerify, SignJWT } from 'jose'
import { createVerifier, type Verifier } from '../src/resource-server/verifier.ts'
import { factKinds } from '../src/revocation/fact.ts'
import { RevocationState } from '../src/revocation/state.ts'
import { bounded, median, report, short } from './support/report.ts'

const issuer = 'https://as.example.org'
const audience = 'https://orders.example.org'
const revoked = 100_000
const tokens = short ? 200 : 2000
const rounds = short ? 3 : 9
const again = short ? 10 : 50

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

const facts = new RevocationState()
for (let n = 0; n < revoked; n += 1) {
  const kind = n % 2 === 0 ? 'token' : 'spiffe-id'
  const what = n % 2 === 0 ? crypto.randomUUID() : id(`/revoked/${n}`)
  facts.apply({ kind, id: what, notBefore: seconds, endsAt: seconds + 3600 })
}
for (const kind of factKinds) {
  facts.apply({ kind, id: `${kind}.example`, notBefore: seconds, endsAt: seconds + 3600 })
}
const known = {
  fresh: () => true,
  judge: (...said: Parameters<RevocationState['judge']>) => facts.judge(...said),
}
const verifierWith = (revocations?: typeof known): Verifier =>
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
const first = (revocations?: typeof known): Promise<number> =>
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

type Name = 'signature' | 'first' | 'firstOfRevoked' | 'seen' | 'over' | 'overExchanged'
const each: Record<Name, number>[] = []
for (let round = 0; round < rounds; round += 1) {
  // One right after the other, in turns: the machine's speed drifts, the difference does not.
  const [without, withAll] = [await seen(plain), await seen(watchful)]
  each.push({
    signature: await bare(),
    first: await first(),
    firstOfRevoked: await first(known),
    seen: without,
    over: withAll - without,
    overExchanged: -(await seen(plain, exchanged)) + (await seen(watchful, exchanged)),
  })
}
const of = (name: Name): number => Math.round(median(each.map((one) => one[name])) * 100) / 100

report('verify', {
  'revoked over the signature': bounded(of('over'), 1, 'µs', {
    revoked,
    exchangedTwice: of('overExchanged'),
  }),
  'token seen before': { ours: of('seen'), unit: 'µs' },
  'token for the first time': {
    ours: of('firstOfRevoked'),
    bare: of('signature'),
    unit: 'µs',
    withoutRevoked: of('first'),
  },
})
