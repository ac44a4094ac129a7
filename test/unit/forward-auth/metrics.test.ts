import { beforeAll, expect, test } from 'vitest'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { freePort } from '../../support/free-port.ts'
import { askSocket, orders, runOne, socketPath } from './running-forward-auth.ts'

const clock = new FakeClock()
let port: number

beforeAll(async () => {
  port = await freePort()
})

test('what was allowed and refused is counted by service and reason, and by nothing that a client could choose', async () => {
  const path = socketPath()
  const running = await runOne(
    { proxy: 'nginx', socket: path, uids: new Set([process.getuid?.() ?? 0]) },
    clock,
    { httpAddress: { host: '127.0.0.1', port } },
  )
  const who = { sub: 'spiffe://example.org/web', client_id: 'spiffe://example.org/web' }
  const token = await running.issuer.token({ ...who, aud: orders, scope: 'orders:read' })
  const ask = (target: string, headers: Record<string, string>, uri = '/orders') =>
    askSocket(path, target, { 'countersign-method': 'GET', 'countersign-uri': uri, ...headers })
  await ask('/orders', { authorization: `Bearer ${token}` })
  await ask('/orders', { authorization: 'Bearer nonsense' })
  await ask('/orders', {}, '/a-path-of-a-client')
  await ask('/a-service-of-nobody', {})
  const of = async (what: string) => (await fetch(`http://127.0.0.1:${port}/${what}`)).text()
  const metrics = await of('metrics')
  const counted = metrics.match(/^countersign_forward_auth_decisions_total.*$/gm)
  expect(counted?.sort()).toEqual([
    'countersign_forward_auth_decisions_total{service="none",outcome="route-unknown"} 1',
    'countersign_forward_auth_decisions_total{service="orders",outcome="allowed"} 1',
    'countersign_forward_auth_decisions_total{service="orders",outcome="route-unknown"} 1',
    'countersign_forward_auth_decisions_total{service="orders",outcome="token-malformed"} 1',
  ])
  expect(metrics).toContain('countersign_forward_auth_decision_seconds_count{service="orders"} 3')
  expect(metrics).not.toMatch(/nobody|a-path|spiffe/)
})
