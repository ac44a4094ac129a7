import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { verifyFiles } from '../../src/audit/verify-files.ts'
import { eventually } from '../../src/testing/eventually.ts'
import type { Reply } from '../support/broker-reply.ts'
import { startBroker } from '../support/running-broker.ts'
import { startSyslogServer } from '../support/syslog-server.ts'

test('the trail of a broker goes to its sinks, and its heads are signed by a key of its own', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'broker-trail-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const far = await startSyslogServer()
  onTestFinished(() => far.close())
  const { host, port } = far.address
  const broker = await startBroker({
    auditSinks: [{ type: 'syslog', name: 'far', address: `tcp://${host}:${port}` }],
  })
  let cut: Promise<Reply> | undefined
  try {
    expect((await broker.call({ token: await broker.token() })).status).toBe(200)
    // Not more at once: on a slow machine some would be too late with their handshakes.
    for (let round = 0; round < 7; round += 1) {
      const strangers = await Promise.all(Array.from({ length: 10 }, () => broker.call()))
      expect(new Set(strangers.map(({ status }) => status))).toEqual(new Set([401]))
    }
    broker.vendor.answer = () => []
    const before = broker.vendor.requests.length
    cut = broker.call({ token: await broker.token() })
    await eventually(() => broker.vendor.requests.length > before)
  } finally {
    await broker.stop()
  }
  const kinds = () => far.lines().map((line) => JSON.parse(line).kind)
  // Who had a call under way is told, and that is on record before the stop.
  expect(await cut).toMatchObject({ status: 503, reason: 'broker-stopping' })
  await expect
    .poll(() => kinds().slice(-3))
    .toEqual(['broker.failed', 'server.stopped', 'trail.head'])
  expect(JSON.parse(far.lines().at(-3) ?? '')).toMatchObject({ reason: 'broker-stopping' })
  expect(kinds()).toContain('broker.called')
  // Of a flood a part is on record, and of the others how many they were: with the next that is, or at the end.
  const stopped = JSON.parse(far.lines().at(-2) ?? '')
  const denied = far.lines().flatMap((line) => {
    const event = JSON.parse(line)
    return event.kind === 'broker.denied' ? [1 + (event.details?.leftOut ?? 0)] : []
  })
  expect(denied.reduce((sum, one) => sum + one, stopped.details?.deniedLeftOut ?? 0)).toBe(70)
  const copy = join(folder, 'copy.log')
  writeFileSync(
    copy,
    far
      .lines()
      .map((line) => `${line}\n`)
      .join(''),
  )
  expect(await verifyFiles(copy)).toMatchObject({
    from: { number: 0 },
    fault: undefined,
    heads: { last: { head: { number: kinds().length - 1 } }, unknownKeys: [] },
  })
})

test('W3C Trace Context §3.2 a call is on record with the trace that it came with, and with none of two', async () => {
  const broker = await startBroker()
  onTestFinished(() => broker.stop())
  const one = `00-${'a1'.repeat(16)}-${'b2'.repeat(8)}-01`
  const recorded = async (...headers: string[]): Promise<unknown> => {
    const token = await broker.token()
    await broker.call({ token, headers: headers.map((text) => `traceparent: ${text}`) })
    return broker.trail().at(-1)
  }
  expect(await recorded(one)).toMatchObject({ kind: 'broker.called', trace: one })
  for (const twice of [
    [one, one],
    [one, 'x'],
  ]) {
    const record = await recorded(...twice)
    expect(record).toMatchObject({ kind: 'broker.called' })
    expect(record).not.toHaveProperty('trace')
  }
})

test('a call for somebody else is on record with whom it went through', async () => {
  const broker = await startBroker()
  onTestFinished(() => broker.stop())
  const through = ['spiffe://example.org/shop', 'spiffe://example.org/gate']
  const act = { sub: through[0], act: { sub: through[1] } }
  await broker.call({ token: await broker.token({ act }) })
  expect(broker.trail().at(-1)).toMatchObject({ kind: 'broker.called', actors: through })
})

test('while the issuer’s keys cannot be fetched the log says why, and the caller does not hear it', async () => {
  const broker = await startBroker()
  onTestFinished(() => broker.stop())
  const token = await broker.token()
  await broker.issuer.close()
  const { status, reason, body } = await broker.call({ token })
  expect([status, reason]).toEqual([503, 'jwks-unavailable'])
  expect(body).not.toContain('ECONNREFUSED')
  expect(broker.log()).toMatch(/"tokens cannot be verified".*"integration":"acme".*ECONNREFUSED/)
})
