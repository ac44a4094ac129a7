// Access tokens by CPU time of the server, over TLS connections that stay open, each on a durable trail before it leaves:
// warm, where workloads show an SVID that they have shown before; cold, where each is another workload whose SVID is not
// remembered, under a policy that cannot tell these workloads apart, so that they share a decision; cold and decided, where
// a policy looks at who it is and no decision is remembered either. The bare program: npm oidc-provider, client_credentials
// with private_key_jwt, ES256, on a durable trail as well: warm, one client that it knows by its settings; cold, as many in
// turn as ours, each found in its store. In the detail, cold against its warm one too, and warm without a trail. Then
// introspection, and an exchange by which the token names eight actors.
import { createPrivateKey, generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pool } from 'undici'
import { createClient } from '../src/rpc/client.ts'
import { dialUnix } from '../src/rpc/dial.ts'
import { joinTokenAgentId } from '../src/spiffe-id/reserved.ts'
import { TrustDomain } from '../src/spiffe-id/spiffe-id.ts'
import { assertionType, form, formHeaders, issuer } from '../test/support/oauth.ts'
import { wireEntry } from '../test/support/running-server.ts'
import { webCertificate } from '../test/support/web-certificate.ts'
import { startChild } from './support/child.ts'
import { closedLoop, type Load } from './support/load.ts'
import { type Figure, median, report, round, short } from './support/report.ts'

const rounds = short ? 1 : 6
/** The compiler's. */
const warmUps = short ? 1 : 8
const connections = 16
const actors = 8
/** More than the server remembers of SVIDs, and of decisions. */
const [others, strangers] = [4500, 9000]
const decided = 'https://decided.example.org'
const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
const accessToken = 'urn:ietf:params:oauth:token-type:access_token'

const services = Array.from({ length: actors + 1 }, (_, n) => ({
  resource: `https://r${n}.example.org`,
  spiffeId: `spiffe://example.org/s${n}`,
}))
const resource = services[0]?.resource ?? ''
const web = await webCertificate('as.example.org')
const folder = mkdtempSync(join(tmpdir(), 'bench-oauth-'))
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const clientKey = { ...publicKey.export({ format: 'jwk' }), kid: 'c', alg: 'ES256', use: 'sig' }
const ours = await startChild<{ readonly port: number; readonly adminSocket: string }>(
  'child-tokens.ts',
  { folder, web, services, decided },
  (process.env['BENCH_SERVER_OPTIONS'] ?? '').split(' ').filter((option) => option !== ''),
)
const provider = { web, issuer, resource, client: { id: 'bench', key: clientKey } }
const bare = await startChild<{ readonly port: number }>('child-oidc-provider.ts', {
  ...{ ...provider, trail: join(folder, 'bare-trail') },
})
const unrecorded = await startChild<{ readonly port: number }>('child-oidc-provider.ts', provider)
const connect = { ca: readFileSync(web.ca), servername: 'as.example.org' }
const poolOf = (port: number): Pool =>
  new Pool(`https://127.0.0.1:${port}`, { connections, pipelining: 1, connect })
const [oursPool, barePool, unrecordedPool] = [ours, bare, unrecorded].map(({ ready }) =>
  poolOf(ready.port),
) as [Pool, Pool, Pool]

async function post(pool: Pool, path: string, body: string): Promise<Record<string, string>> {
  const headers = { ...formHeaders, host: 'as.example.org' }
  const answer = await pool.request({ method: 'POST', path, headers, body })
  const text = await answer.body.text()
  if (answer.statusCode !== 200) throw new Error(`${path}: ${answer.statusCode} ${text}`)
  return JSON.parse(text) as Record<string, string>
}

const channel = dialUnix(ours.ready.adminSocket)
const parent = joinTokenAgentId(TrustDomain.parse('example.org'), 'nobody')
const paths = [
  ...services.map((_, n) => `/s${n}`),
  ...Array.from({ length: others }, (_, n) => `/w${n}`),
  ...Array.from({ length: strangers }, (_, n) => `/d${n}`),
]
const entries = createClient('spire.api.server.entry.v1.Entry', channel)
for (let from = 0; from < paths.length; from += 500) {
  const batch = paths.slice(from, from + 500).map((path) => wireEntry({ path, parent }))
  const { results } = await entries.unary(
    'BatchCreateEntry',
    { entries: batch },
    { timeoutMs: 60_000 },
  )
  if (results.some(({ status }) => status?.code !== 0)) throw new Error('no entries')
}
const svids = createClient('spire.api.server.svid.v1.SVID', channel)
const assertions = new Map<string, string>()
for (let from = 0; from < paths.length; from += 64) {
  await Promise.all(
    paths.slice(from, from + 64).map(async (path) => {
      const id = { trust_domain: 'example.org', path }
      const wanted = { id, audience: [issuer], ttl: 3600 }
      const { svid } = await svids.unary('MintJWTSVID', wanted, { timeoutMs: 60_000 })
      assertions.set(path, svid?.token ?? '')
    }),
  )
}
channel.close()

const proofOf = (path: string): Record<string, string> => ({
  client_assertion_type: assertionType,
  client_assertion: assertions.get(path) ?? '',
})
const wish = { grant_type: 'client_credentials', resource, scope: 'orders:read' }
const formsOf = (first: string, more: Record<string, string> = {}): string[] =>
  paths
    .filter((path) => path.startsWith(first))
    .map((path) => form({ ...wish, ...more, ...proofOf(path) }))
const forms = formsOf('/w')
/** Each workload asks for something else than it did last, which is remembered with its entry. */
const undecided = ['orders:read', 'orders:write'].flatMap((scope) =>
  formsOf('/d', { resource: decided, scope }),
)
/** One after the other, from the first again behind the last. */
function inTurn(some: readonly string[]): () => Promise<unknown> {
  let next = 0
  return () => {
    next = (next + 1) % some.length
    return post(oursPool, '/oauth/token', some[next] ?? '')
  }
}
const signer = {
  key: createPrivateKey(privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()),
}
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
/** It takes each assertion once. */
const ofProvider = (pool: Pool, id = 'bench'): Promise<unknown> => {
  const now = Math.floor(Date.now() / 1000)
  const claims = {
    iss: id,
    sub: id,
    aud: issuer,
    jti: randomUUID(),
    iat: now,
    exp: now + 60,
  }
  const signed = `${part({ alg: 'ES256', kid: 'c' })}.${part(claims)}`
  const signature = sign('sha256', Buffer.from(signed), { ...signer, dsaEncoding: 'ieee-p1363' })
  const body = form({
    ...wish,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: `${signed}.${signature.toString('base64url')}`,
  })
  return post(pool, '/token', body)
}

/** Hands the token on from service to service, as far as `hops`. */
async function chain(hops: number): Promise<string> {
  let { access_token: token = '' } = await post(oursPool, '/oauth/token', forms[0] ?? '')
  for (let n = 0; n < hops; n += 1) token = (await exchange(n, token))['access_token'] ?? ''
  return token
}
function exchange(n: number, token: string): Promise<Record<string, string>> {
  const hop = { grant_type: tokenExchange, subject_token: token, subject_token_type: accessToken }
  const target = { resource: services[n + 1]?.resource ?? '', scope: 'orders:read' }
  return post(oursPool, '/oauth/token', form({ ...hop, ...target, ...proofOf(`/s${n}`) }))
}
const deep = await chain(actors - 1)
const shown = form({ token: deep, ...proofOf(`/s${actors - 1}`) })

const load = (call: () => Promise<unknown>, pid: number): Promise<Load> =>
  closedLoop(
    Array.from({ length: connections }, () => call),
    { pid },
  )
const cold = inTurn(forms)
const coldDecided = inTurn(undecided)
const warm = inTurn(forms.slice(0, connections))
let stored = 0
const coldOfProvider = (): Promise<unknown> => ofProvider(barePool, `bench-${stored++ % others}`)
const all = {
  cold: () => load(cold, ours.pid),
  coldDecided: () => load(coldDecided, ours.pid),
  warm: () => load(warm, ours.pid),
  provider: () => load(() => ofProvider(barePool), bare.pid),
  providerCold: () => load(coldOfProvider, bare.pid),
  unrecorded: () => load(() => ofProvider(unrecordedPool), unrecorded.pid),
  introspect: () => load(() => post(oursPool, '/oauth/introspect', shown), ours.pid),
  exchange: () => load(() => exchange(actors - 1, deep), ours.pid),
} as const
type Name = keyof typeof all
const seen: Record<Name, Load[]> = {
  cold: [],
  coldDecided: [],
  warm: [],
  provider: [],
  providerCold: [],
  unrecorded: [],
  introspect: [],
  exchange: [],
}
for (let round = 0; round < warmUps + rounds; round += 1) {
  for (const [name, run] of Object.entries(all) as [Name, () => Promise<Load>][]) {
    const one = await run()
    if (round >= warmUps) seen[name].push(one)
  }
}

const perCpuSecond = ({ serverCpuUs }: Load): number => Math.round(1_000_000 / serverCpuUs)
const middle = (name: Name): number => median(seen[name].map(perCpuSecond))
const details = (name: Name) => ({
  perSecond: median(seen[name].map((one) => Math.round(one.perSecond))),
  p50Ms: median(seen[name].map((one) => one.p50Ms)),
  p99Ms: median(seen[name].map((one) => one.p99Ms)),
})
function against(name: 'cold' | 'coldDecided' | 'warm', least: number): Figure {
  const ratiosTo = (other: Name): number[] =>
    seen[name].map((one, at) =>
      round((seen[other][at]?.serverCpuUs ?? Number.NaN) / one.serverCpuUs),
    )
  const same = name === 'warm' ? 'provider' : 'providerCold'
  const ratios = ratiosTo(same)
  const ratio = median(ratios)
  return {
    ...{ ours: middle(name), bare: middle(same), ratio, unit: '/CPU-s' },
    ...{ target: `ratio >= ${least}`, met: ratio >= least, ratios },
    detail: {
      ...{ ours: details(name), bare: details(same) },
      warmProvider: { perCpuSecond: middle('provider'), ratio: median(ratiosTo('provider')) },
      unrecorded: { perCpuSecond: middle('unrecorded'), ratio: median(ratiosTo('unrecorded')) },
    },
  }
}
const alone = (name: Name): Figure => ({
  ...{ ours: middle(name), unit: '/CPU-s', detail: details(name) },
})
report('oauth', {
  warm: against('warm', 3),
  cold: against('cold', 1.3),
  coldDecided: against('coldDecided', 1.3),
  introspection: alone('introspect'),
  [`exchange${actors}`]: alone('exchange'),
})
await Promise.all([oursPool, barePool, unrecordedPool].map((pool) => pool.close()))
await Promise.all([ours, bare, unrecorded].map((child) => child.kill()))
for (const path of [folder, web.folder]) rmSync(path, { recursive: true, force: true })
