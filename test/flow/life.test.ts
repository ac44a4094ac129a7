import { createPrivateKey, X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { PROMPT_MS } from '../support/prompt.ts'
import {
  agentIdOf,
  fetchJwt,
  type RunningAgent,
  type SvidMessage,
  startAgent,
  startWorkload,
  untilHeld,
  type Workload,
} from '../support/running-agent.ts'
import { type RunningServer, startServer, wireEntry } from '../support/running-server.ts'

// As root each workload has a uid of its own; otherwise there is only ours.
const isRoot = process.getuid?.() === 0
const webUid = isRoot ? 61_001 : undefined
const otherUid = isRoot ? 61_002 : undefined
const webSelector = `unix:uid:${webUid ?? process.getuid?.()}`

let server: RunningServer
let agent: RunningAgent
const workloads: Workload[] = []

beforeAll(async () => {
  server = await startServer({ overrides: { jwtSvidTtlSeconds: 60 } })
  agent = await startAgent(server)
})

afterAll(async () => {
  for (const workload of workloads) workload.kill()
  await agent?.stop()
  await server?.remove()
})

function workload(uid: number | undefined): Workload {
  const started = startWorkload(agent.socket, uid)
  workloads.push(started)
  return started
}

/** An entry of the agent's, which holds it when this resolves. */
async function create(path: string, options: Record<string, unknown> = {}): Promise<string> {
  const { results } = await server
    .admin('spire.api.server.entry.v1.Entry')
    .unary('BatchCreateEntry', {
      entries: [
        wireEntry({
          path,
          parent: await agentIdOf(server),
          selectors: [webSelector],
          ...options,
        }),
      ],
    })
  expect(results[0]?.status).toMatchObject({ code: 0 })
  const id = results[0]?.entry?.id ?? ''
  await untilHeld(server, [id])
  return id
}

const idsOf = (message: SvidMessage): string[] => (message.svids ?? []).map(({ id }) => id).sort()
const serialOf = (message: SvidMessage): string =>
  new X509Certificate(Buffer.from(message.svids?.[0]?.chain ?? '', 'base64')).serialNumber

test('WLE-17 a workload without an entry is refused, as clients expect to hear it', async () => {
  expect(await workload(webUid).next()).toEqual({ code: 7, details: 'no identity issued' })
})

test('a registered entry reaches its workload, is renewed without asking, and is taken away again', async () => {
  const id = await create('/web', { x509_svid_ttl: 4 })
  const web = workload(webUid)
  const first = await web.next()
  expect(idsOf(first)).toEqual(['spiffe://example.org/web'])
  const svid = first.svids?.[0]
  const leaf = new X509Certificate(Buffer.from(svid?.chain ?? '', 'base64'))
  const root = new X509Certificate(Buffer.from(svid?.bundle ?? '', 'base64'))
  expect(leaf.verify(root.publicKey)).toBe(true)
  const key = createPrivateKey({
    key: Buffer.from(svid?.key ?? '', 'base64'),
    format: 'der',
    type: 'pkcs8',
  })
  expect(leaf.checkPrivateKey(key)).toBe(true)

  const renewed = await web.next()
  expect(idsOf(renewed)).toEqual(['spiffe://example.org/web'])
  expect(serialOf(renewed)).not.toBe(serialOf(first))

  await server.admin('spire.api.server.entry.v1.Entry').unary('BatchDeleteEntry', { ids: [id] })
  let last = await web.next()
  while (last.code === undefined) last = await web.next()
  expect(last).toEqual({ code: 7, details: 'no identity issued' })
})

test('a second entry comes on the open stream, with the first one beside it', async () => {
  const first = await create('/first')
  const web = workload(webUid)
  expect(idsOf(await web.next())).toEqual(['spiffe://example.org/first'])
  const second = await create('/second')
  expect(idsOf(await web.next())).toEqual([
    'spiffe://example.org/first',
    'spiffe://example.org/second',
  ])
  await server
    .admin('spire.api.server.entry.v1.Entry')
    .unary('BatchDeleteEntry', { ids: [first, second] })
  web.kill()
})

test('WLA-40 a JWT-SVID names the audience that was asked for', async () => {
  const id = await create('/api')
  const { svids } = await fetchJwt(agent.socket, 'https://api.example.org', webUid)
  expect(svids?.map(([name]) => name)).toEqual(['spiffe://example.org/api'])
  const claims = JSON.parse(
    Buffer.from(svids?.[0]?.[1].split('.')[1] ?? '', 'base64url').toString(),
  ) as { sub: string; aud: string[] }
  expect(claims).toMatchObject({
    sub: 'spiffe://example.org/api',
    aud: ['https://api.example.org'],
  })
  await server.admin('spire.api.server.entry.v1.Entry').unary('BatchDeleteEntry', { ids: [id] })
})

test.skipIf(!isRoot)(
  'T1 another uid on the same socket gets nothing of it (needs root)',
  async () => {
    const id = await create('/only-web')
    expect(idsOf(await workload(webUid).next())).toEqual(['spiffe://example.org/only-web'])
    expect((await workload(otherUid).next()).code).toBe(7)
    expect((await fetchJwt(agent.socket, 'a', otherUid)).code).toBe(7)
    await server.admin('spire.api.server.entry.v1.Entry').unary('BatchDeleteEntry', { ids: [id] })
  },
)

test('T26 of thirty entries each is off the open stream at its deletion', async () => {
  const entries = server.admin('spire.api.server.entry.v1.Entry')
  const kept = await create('/kept')
  const web = workload(webUid)
  await web.next()
  const until = async (held: readonly string[]): Promise<void> => {
    const ids = held.map((path) => `spiffe://example.org${path}`)
    while (idsOf(await web.next()).join() !== ids.join());
  }
  for (let at = 0; at < 30; at += 1) {
    const id = await create(`/gone/${at}`)
    await until([`/gone/${at}`, '/kept'])
    const deletedMs = performance.now()
    await entries.unary('BatchDeleteEntry', { ids: [id] })
    await until(['/kept'])
    expect(performance.now() - deletedMs).toBeLessThan(PROMPT_MS)
  }
  web.kill()
  await entries.unary('BatchDeleteEntry', { ids: [kept] })
})

test('T26 at the ban of its node a workload has no stream any more, and gets nothing new', async () => {
  await create('/banned')
  const web = workload(webUid)
  expect(idsOf(await web.next())).toEqual(['spiffe://example.org/banned'])
  const id = await agentIdOf(server)
  const bannedMs = performance.now()
  await server.admin('spire.api.server.agent.v1.Agent').unary('BanAgent', {
    id: { trust_domain: 'example.org', path: SpiffeId.pathOf(id) },
  })
  let last = await web.next()
  while (last.code === undefined) last = await web.next()
  expect(performance.now() - bannedMs).toBeLessThan(PROMPT_MS)
  expect([7, 14]).toContain(last.code)
  expect((await fetchJwt(agent.socket, 'https://api.example.org', webUid)).svids ?? []).toEqual([])
})
