import { afterAll, beforeAll, expect, test } from 'vitest'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { verifyJwtSvid } from '../../src/svid/jwt-svid.ts'
import { verifyX509Svid } from '../../src/svid/x509-svid.ts'
import { eventually } from '../../src/testing/eventually.ts'
import { BundleSource } from '../../src/workload-api/bundle-source.ts'
import { WorkloadApiClient } from '../../src/workload-api/client.ts'
import { JwtSource } from '../../src/workload-api/jwt-source.ts'
import { X509Source } from '../../src/workload-api/x509-source.ts'
import { agentIdOf, type RunningAgent, startAgent } from '../support/running-agent.ts'
import {
  type RunningServer,
  startServer,
  trustDomain,
  wireEntry,
} from '../support/running-server.ts'

let server: RunningServer
let agent: RunningAgent

beforeAll(async () => {
  server = await startServer()
  agent = await startAgent(server)
})

afterAll(async () => {
  await agent?.stop()
  await server?.remove()
})

const web = SpiffeId.of(trustDomain, '/web')

async function register(): Promise<string> {
  const entry = wireEntry({
    path: '/web',
    parent: await agentIdOf(server),
    selectors: [`unix:uid:${process.getuid?.()}`],
  })
  const entries = server.admin('spire.api.server.entry.v1.Entry')
  const { results } = await entries.unary('BatchCreateEntry', { entries: [entry] })
  return results[0]?.entry?.id ?? ''
}

test('WLE-17 WLA-28 sources open when there is an entry, live through an agent’s restart, and have nothing when the entry is gone', async () => {
  const options = {
    endpoint: `unix://${agent.socket}`,
    signal: AbortSignal.timeout(55_000),
  }
  const refusals: string[] = []
  const opening = Promise.all([
    X509Source.open({ ...options, onError: ({ reason }) => refusals.push(reason) }),
    JwtSource.open(options),
    BundleSource.open(options),
  ])
  await eventually(() => refusals.includes('no-identity'))
  const entryId = await register()
  const [x509, jwt, bundles] = await opening
  const sources = [x509, jwt, bundles]
  await using client = new WorkloadApiClient(options)
  try {
    const { token } = await jwt.fetchJwtSvid('us')
    const verify = () => verifyJwtSvid(token, { audience: 'us', bundles })
    expect((await verify()).spiffeId).toBe(web)
    expect((await client.validateJwtSvid(token, 'us')).spiffeId).toBe(web)
    const verified = verifyX509Svid(x509.svid().chain, bundles, new Date())
    expect(verified.spiffeId).toBe(web)

    await agent.stop()
    await eventually(() => sources.every(({ state }) => state === 'stale'))
    expect(x509.svid().spiffeId).toBe(web)
    expect((await jwt.fetchJwtSvid('us')).token).toBe(token)
    expect((await verify()).spiffeId).toBe(web)
    agent = await startAgent(server)
    await eventually(() => sources.every(({ state }) => state === 'fresh'), 40_000)

    const entries = server.admin('spire.api.server.entry.v1.Entry')
    await entries.unary('BatchDeleteEntry', { ids: [entryId] })
    await eventually(() => sources.every(({ state }) => state === 'expired'))
    await expect(jwt.fetchJwtSvid('us')).rejects.toMatchObject({ reason: 'source-withdrawn' })
    expect(bundles.bundleOf(trustDomain)).toBeUndefined()
  } finally {
    await Promise.all(sources.map((source) => source.close()))
  }
})
