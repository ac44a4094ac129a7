import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import type { Trail } from '../../../../server/audit/trail.ts'
import { loadBrokerConfig } from '../../../../server/broker/config.ts'
import { makeParts } from '../../../../server/broker/parts.ts'
import type { AuditEvent } from '../../../../src/audit/event.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const permits = (path: string): string =>
  `@id("a") permit (principal, action == Action::"callVendor", resource) when { context.path like "${path}" };`

/** A broker's parts, in the hands of a test; its vendor hears calls and never answers. */
async function start() {
  const folder = mkdtempSync(join(tmpdir(), 'cs-broker-parts-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text)
  mkdirSync(join(folder, 'data'), { mode: 0o700 })
  mkdirSync(join(folder, 'policy'))
  const policy = (text: string): void => write('policy/all.cedar', text)
  policy(permits('*'))
  const configWith = (acme: object) => {
    const integration = {
      ...{ id: 'acme', owner: 'sales', upstream: 'https://api.acme.test', secret: { env: 'ACME' } },
      ...{ inject: { header: 'X-Api-Key' }, methods: ['GET'], paths: ['/**'], svid_alone: true },
      ...acme,
    }
    const config = {
      ...{ url: 'https://broker.test', address: '127.0.0.1:8444', data_dir: join(folder, 'data') },
      ...{ issuer: 'https://as.test', policy: join(folder, 'policy'), feed: false },
      integrations: [integration],
    }
    write('broker.json', JSON.stringify(config))
    return loadBrokerConfig(join(folder, 'broker.json'), new Date())
  }
  const clock = new FakeClock()
  const events: AuditEvent[] = []
  const trail = { append: async (more: readonly AuditEvent[]) => void events.push(...more) }
  let wanted = configWith({})
  const parts = await makeParts(wanted, {
    ...{ trail: trail as unknown as Trail, log: silentLog, clock },
    hooks: { env: { ACME: 'the-key-of-acme' }, readAgain: async () => wanted, clock },
    svid: () => expect.fail(),
  })
  onTestFinished(() => parts.table.close())
  const { agent } = parts.table.current().get('acme') ?? expect.fail()
  let heard = 0
  Object.assign(agent, {
    addRequest(sent: ClientRequest) {
      heard += 1
      const silent = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
      sent.onSocket(silent as Socket)
    },
  })
  const peer = {
    ...{ spiffeId: SpiffeId.parse('spiffe://example.org/web'), certificate: Buffer.alloc(1) },
    ...{ holds: () => true, issuedAt: clock.now() },
  }
  return {
    parts,
    policy,
    /** Resolves once the vendor has heard it; `ended` with what came of it, by when the broker has stopped. */
    async call(path: string) {
      const request = new IncomingMessage(new Socket())
      Object.assign(request, { method: 'GET', url: path, httpVersion: '1.1', complete: true })
      request.rawHeaders = ['Host', 'broker.test']
      const response = new ServerResponse(request)
      const before = heard
      const served = parts.serve(request, response, { peer, address: '127.0.0.1:1' })
      while (heard === before) await new Promise(setImmediate)
      return {
        ended: async () => {
          parts.table.close()
          await served
          const { kind, reason } =
            events.findLast(({ details }) => `/acme${details?.['path']}` === path.split('?')[0]) ??
            expect.fail()
          return [response.statusCode, kind, reason]
        },
      }
    },
    async reload(acme: object) {
      wanted = configWith(acme)
      await parts.table.reload()
    },
  }
}

test('policies that change end the calls under way that they permit no more, and no others', async () => {
  const { parts, policy, call } = await start()
  const [first, second] = [await call('/acme/a'), await call('/acme/b')]
  policy(permits('/b'))
  // Half of what somebody is writing just now would count otherwise.
  for (let look = 0; look < 2; look += 1) await parts.policies.look()
  expect(await first.ended()).toEqual([403, 'broker.failed', 'policy-none'])
  expect(await second.ended()).toEqual([503, 'broker.failed', 'broker-stopping'])
})

test.each([
  [{ methods: ['POST'] }, 405, 'method-not-allowed'],
  [{ paths: ['/b'] }, 403, 'path-not-allowed'],
  [{ parameters: ['q'] }, 403, 'parameter-not-allowed'],
  [{ svid_alone: false }, 401, 'token-missing'],
])(
  'a configuration that is read again ends the calls under way that it allows no more: %j',
  async (narrower, status, reason) => {
    const { call, reload } = await start()
    const { ended } = await call('/acme/a?p=1')
    await reload(narrower)
    expect(await ended()).toEqual([status, 'broker.failed', reason])
  },
)

test('a configuration that is read again, and allows what it did, ends no call', async () => {
  const { call, reload } = await start()
  const { ended } = await call('/acme/a')
  await reload({ methods: ['GET', 'POST'], paths: ['/a'] })
  expect(await ended()).toEqual([503, 'broker.failed', 'broker-stopping'])
})
