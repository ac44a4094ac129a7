import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { CountersignError } from '../../../src/errors.ts'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import { eventually } from '../../../src/testing/eventually.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import type { FakeWorkloadApi } from '../../../src/testing/fake-workload-api.ts'
import { nextUpdate } from '../../../src/testing/next-update.ts'
import { TestTrustDomain } from '../../../src/testing/trust-domain.ts'
import type { SourceOptions } from '../../../src/workload-api/options.ts'
import { X509Source } from '../../../src/workload-api/x509-source.ts'
import { callsOf, db, passing, startApi, status, web } from '../../support/fake-api.ts'
import { reasonOf, reasonOfAsync } from '../../support/x509-fixtures.ts'

const here = TrustDomain.parse('example.org')
const there = TrustDomain.parse('there.test')
const rpc = 'FetchX509SVID'

async function open(api: FakeWorkloadApi, options: SourceOptions = {}): Promise<X509Source> {
  const signal = AbortSignal.timeout(30_000)
  const source = await X509Source.open({ endpoint: api.endpoint, signal, ...options })
  onTestFinished(() => source.close())
  return source
}

/** An API that grants /web, and a source of it, both by one clock. */
async function opened(options: SourceOptions = {}) {
  const clock = new FakeClock()
  const api = await startApi({ clock })
  await api.grant(web)
  const source = await open(api, { clock, ...options })
  return { api, clock, source }
}

describe('an update', () => {
  test('WLA-10 WLA-11 WLA-32 replaces all of the one before, and a listener is told', async () => {
    const { api, clock, source } = await opened()
    const friend = await TestTrustDomain.create(there, clock)
    let updated = nextUpdate(source)
    api.federate(friend)
    await updated
    expect(source.bundleOf(there)?.x509Authorities).toHaveLength(1)
    updated = nextUpdate(source)
    api.unfederate(friend)
    await updated
    expect(source.bundleOf(there)).toBeUndefined()
    updated = nextUpdate(source)
    await api.grant(db)
    await updated
    expect(source.context().svids.map(({ spiffeId }) => spiffeId)).toEqual([web, db])
    updated = nextUpdate(source)
    api.withdraw(web)
    await updated
    expect(source.context().svids.map(({ spiffeId }) => spiffeId)).toEqual([db])
  })

  test('WLA-29 brings no JWT authorities', async () => {
    const { source } = await opened()
    expect(source.bundleOf(here)).toMatchObject({ jwtAuthorities: [] })
  })

  test('WLA-70 WLA-26 its first SVID is the default, and of one hint the first counts', async () => {
    const api = await startApi()
    await api.grant(web, { hint: 'a' })
    await api.grant(db, { hint: 'a' })
    const source = await open(api)
    expect(source.context().svids.map(({ spiffeId }) => spiffeId)).toEqual([web])
    let updated = nextUpdate(source)
    await api.grant(db)
    await updated
    expect(source.context().svids.map(({ spiffeId }) => spiffeId)).toEqual([web, db])
    // Two without a hint are two.
    updated = nextUpdate(source)
    await api.grant(web)
    await updated
    expect(source.context().svids.map(({ hint }) => hint)).toEqual(['', ''])
    expect(source.svid().spiffeId).toBe(web)
  })

  test('WLA-72 of several identities the one that a source is opened for is its default, and waited for', async () => {
    const { api, clock } = await opened()
    const lacks: string[] = []
    const chosen = { spiffeId: SpiffeId.parse(db) }
    const onError = ({ reason }: CountersignError): void => void lacks.push(reason)
    const opening = X509Source.open({ endpoint: api.endpoint, clock, ...chosen, onError })
    await eventually(() => lacks.length > 0)
    await api.grant(db)
    await using source = await opening
    expect(lacks).toEqual(['source-no-such-svid'])
    expect(source.svid().spiffeId).toBe(db)
    expect(source.svid({}).spiffeId).toBe(web)
    const updated = nextUpdate(source)
    api.withdraw(db)
    await updated
    // Never another one instead.
    expect(reasonOf(() => source.svid())).toBe('source-no-such-svid')
    expect(source.state).toBe('expired')
  })

  test('WLA-72 an identity is chosen by its hint or its ID, and never another one instead', async () => {
    const { api, source } = await opened()
    const updated = nextUpdate(source)
    await api.grant(db, { hint: 'internal' })
    await updated
    expect(source.svid({ hint: 'internal' }).spiffeId).toBe(db)
    expect(source.svid({ spiffeId: SpiffeId.parse(db) }).hint).toBe('internal')
    expect(reasonOf(() => source.svid({ hint: 'external' }))).toBe('source-no-such-svid')
    expect(() => source.svid({ hint: 'internal', spiffeId: SpiffeId.parse(web) })).toThrow(
      expect.objectContaining({
        reason: 'source-no-such-svid',
        message: `this process has no SVID with ${web} and the hint "internal"`,
      }),
    )
  })

  test('WLA-13 that lacks something is left out and reported, and the one before it stays', async () => {
    const errors: CountersignError[] = []
    const { api, source } = await opened({ onError: (error) => errors.push(error) })
    const before = source.svid()
    const svid = {
      spiffe_id: web,
      x509_svid: Buffer.concat(before.chain),
      x509_svid_key: before.privateKey,
      bundle: source.bundleOf(here)?.x509Authorities[0]?.certificate ?? Buffer.alloc(0),
    }
    const lacking = Object.keys(svid).map((field) => ({ ...svid, [field]: '' }))
    for (const svids of [[], ...lacking.map((one) => [one]), [svid, ...lacking.slice(0, 1)]]) {
      api.send(rpc, { svids })
    }
    // The barrier: what is good again arrives after all that was bad.
    const updated = nextUpdate(source)
    await api.grant(web)
    await updated
    expect(errors.map(({ reason }) => reason)).toEqual(Array(6).fill('message-field'))
    expect(source.svid().chain).not.toEqual(before.chain)
    expect(callsOf(api, rpc)).toBe(1)
  })

  test.each<[string, string, (good: { svid: object; other: Buffer }) => object]>([
    [
      "another SVID's key",
      'svid-key',
      ({ svid, other }) => ({ svids: [{ ...svid, x509_svid_key: other }] }),
    ],
    [
      'another ID than its certificate has',
      'message-svid-id',
      ({ svid }) => ({ svids: [{ ...svid, spiffe_id: db }] }),
    ],
    [
      'PEM in place of DER (WLA-24)',
      'certificate-malformed',
      ({ svid }) => ({ svids: [{ ...svid, bundle: Buffer.from('-----BEGIN CERTIFICATE-----') }] }),
    ],
    [
      'a bundle under a path (WLA-33)',
      'message-bundle-key',
      ({ svid }) => ({ svids: [svid], federated_bundles: { 'spiffe://there.test/a': '' } }),
    ],
    [
      'a bundle under a bare name (WLA-33)',
      'spiffe-id-scheme',
      ({ svid }) => ({ svids: [svid], federated_bundles: { 'there.test': '' } }),
    ],
  ])('WLA-13 with %s is left out', async (_what, reason, write) => {
    const errors: CountersignError[] = []
    const { api, source } = await opened({ onError: (error) => errors.push(error) })
    const other = await api.trustDomain.issueX509(SpiffeId.parse(db))
    const { chain, privateKey } = source.svid()
    const bundle = source.bundleOf(here)?.x509Authorities[0]?.certificate
    const svid = {
      spiffe_id: web,
      x509_svid: Buffer.concat(chain),
      x509_svid_key: privateKey,
      bundle,
    }
    api.send(rpc, write({ svid, other: other.privateKey }))
    await eventually(() => errors.length > 0)
    expect(errors[0]?.reason).toBe(reason)
    expect(source.svid().chain).toEqual(chain)
  })
})

describe('a stream that ends', () => {
  test.each([
    ['WLA-06 WLA-05 well', undefined],
    ['WLA-06 with UNAVAILABLE', { code: status.unavailable }],
    ['WLA-06 with INTERNAL', { code: status.internal }],
    ['WLA-06 with UNKNOWN', { code: status.unknown }],
  ])('%s is taken up again at once, and what it said is kept', async (_how, end) => {
    const { api, source } = await opened()
    const before = source.svid()
    api.endStreams(end)
    // No time passes.
    await eventually(() => callsOf(api, rpc) === 2)
    expect(source.svid().spiffeId).toBe(before.spiffeId)
    await eventually(() => source.state === 'fresh')
  })

  test('WLA-06 with its connection is taken up again', async () => {
    const { api, clock, source } = await opened()
    api.dropConnections()
    await passing(clock, () => callsOf(api, rpc) === 2 && source.state === 'fresh')
  })

  test('with bytes that are no message is taken up again, and what it said is kept', async () => {
    const { api, clock, source } = await opened()
    api.send(rpc, Buffer.from('not a message'))
    await passing(clock, () => callsOf(api, rpc) >= 2 && source.state === 'fresh')
    expect(source.svid().spiffeId).toBe(web)
  })

  test('each time after its first message is not taken up again more than a few times a second', async () => {
    const { api, clock, source } = await opened()
    source.onUpdate(() => api.endStreams())
    api.endStreams()
    for (let second = 0; second < 10; second += 1) {
      for (let tenth = 0; tenth < 10; tenth += 1) {
        await clock.advance(100)
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
    }
    expect(callsOf(api, rpc)).toBeLessThan(60)
  })

  test('WLA-28 WLA-27 with PERMISSION_DENIED takes the identity away, until there is one again', async () => {
    const errors: CountersignError[] = []
    const { api, clock, source } = await opened({ onError: (error) => errors.push(error) })
    const updated = nextUpdate(source)
    api.withdraw()
    await updated
    expect(reasonOf(() => source.svid())).toBe('source-withdrawn')
    expect(source.bundleOf(here)).toBeUndefined()
    expect(source.state).toBe('expired')
    await eventually(() => errors[0]?.code === 'forbidden')
    await api.grant(db)
    await passing(clock, () => source.state === 'fresh')
    expect(source.svid().spiffeId).toBe(db)
  })

  test.each([
    ['WLE-15 INVALID_ARGUMENT', status.invalid, 'rpc-invalid'],
    ['WLE-18 UNIMPLEMENTED', status.unimplemented, 'rpc-unimplemented'],
  ])('%s in the middle ends the source, which then says so', async (_what, code, reason) => {
    const { api, clock, source } = await opened()
    const updated = nextUpdate(source)
    api.endStreams({ code })
    await updated
    await clock.advance(60_000)
    expect(reasonOf(() => source.svid())).toBe(reason)
    expect(callsOf(api, rpc)).toBe(1)
  })
})

describe('opening', () => {
  test.each([
    ['WLE-15 INVALID_ARGUMENT', status.invalid, 'rpc-invalid'],
    ['WLE-18 UNIMPLEMENTED', status.unimplemented, 'rpc-unimplemented'],
  ])('%s is final: it is not asked again', async (_what, code, reason) => {
    const api = await startApi()
    api.script(rpc, { code })
    expect(await reasonOfAsync(() => open(api))).toBe(reason)
    expect(callsOf(api, rpc)).toBe(1)
  })

  test.each([
    ['WLE-16 UNAVAILABLE', status.unavailable],
    ['WLE-17 PERMISSION_DENIED', status.denied],
    ['WLE-16 RESOURCE_EXHAUSTED', status.exhausted],
  ])('%s is asked again, later and later, until there is an answer', async (_what, code) => {
    const clock = new FakeClock()
    const api = await startApi({ clock })
    api.script(rpc, { code })
    const opening = open(api, { clock, onError() {} })
    const at: number[] = []
    for (let call = 1; call <= 7; call += 1) {
      await eventually(async () => {
        // Time stands still while it asks.
        if (clock.sleeping > 0) await clock.advance(10)
        return callsOf(api, rpc) === call
      })
      at.push(clock.monotonicMs())
    }
    const gaps = at.slice(1).map((time, i) => time - (at[i] ?? 0))
    expect(gaps[0]).toBeLessThanOrEqual(110)
    expect(gaps[5]).toBeGreaterThan(4 * (gaps[0] ?? 0))
    api.script(rpc, undefined)
    await api.grant(web)
    await passing(clock, () => callsOf(api, rpc) === 8)
    expect((await opening).svid().spiffeId).toBe(web)
  })

  test('WLE-16 who waits for a socket finds it when it comes, and who gives up waiting is told so', async () => {
    const api = await startApi()
    await api.grant(web)
    await api.stop()
    await expect(open(api, { signal: AbortSignal.timeout(50) })).rejects.toThrow('timeout')
    const waiting = open(api)
    await api.listen()
    expect((await waiting).svid().spiffeId).toBe(web)
  })

  test('WLE-05 each request carries the security header, those that come again too', async () => {
    const { api, clock } = await opened()
    api.endStreams()
    await eventually(() => callsOf(api, rpc) === 2)
    api.endStreams({ code: status.unavailable })
    await passing(clock, () => callsOf(api, rpc) === 3)
    expect(api.calls.map(({ securityHeader }) => securityHeader)).toEqual(Array(3).fill(['true']))
  })

  test('a signal that has ended before is heard', async () => {
    const api = await startApi()
    const reason = new Error('no')
    await expect(open(api, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(api.calls).toEqual([])
  })
})

describe('the state of a source', () => {
  test('is fresh, stale while the agent is away, and expired when the SVID is', async () => {
    const { api, clock, source } = await opened()
    expect(source.state).toBe('fresh')
    await api.stop()
    await eventually(() => source.state === 'stale')
    expect(source.svid().spiffeId).toBe(web)
    await clock.advance(3_599_000)
    expect(source.state).toBe('stale')
    await clock.advance(2000)
    expect(source.state).toBe('expired')
    expect(reasonOf(() => source.svid())).toBe('source-expired')
    expect(source.bundleOf(here)).toBeDefined()
    await api.listen()
    await api.rotate()
    await passing(clock, () => source.state === 'fresh')
    expect(source.svid().spiffeId).toBe(web)
  })

  test('is expired after it was closed, and nothing is left', async () => {
    const { source } = await opened()
    await source.close()
    await source.close()
    expect(reasonOf(() => source.svid())).toBe('source-closed')
    expect(source.bundleOf(here)).toBeUndefined()
    expect(source.state).toBe('expired')
  })

  test('is not harmed by a listener that throws: the others are told, and it goes on', async () => {
    const { api, source } = await opened()
    const mishap = new Error('of a listener')
    const uncaught = nextUncaught()
    const stop = source.onUpdate(() => {
      throw mishap
    })
    const updated = nextUpdate(source)
    await api.rotate()
    await updated
    expect(await uncaught).toBe(mishap)
    stop()
    const again = nextUpdate(source)
    await api.rotate()
    await again
  })

  test('is not harmed by an `onError` that throws either', async () => {
    const mishap = new Error('of onError')
    const { api, source } = await opened({
      onError: () => {
        throw mishap
      },
    })
    const uncaught = nextUncaught()
    api.send('FetchX509SVID', { svids: [] })
    expect(await uncaught).toBe(mishap)
    const updated = nextUpdate(source)
    await api.rotate()
    await updated
  })
})

/** What would have ended the process, and here does not. */
function nextUncaught(): Promise<unknown> {
  const uncaught = new Promise((resolve) => {
    process.prependOnceListener('uncaughtException', resolve)
  })
  const others = process.listeners('uncaughtException').slice(1)
  for (const one of others) process.off('uncaughtException', one)
  onTestFinished(() => {
    for (const one of others) process.on('uncaughtException', one)
  })
  return uncaught
}

test('over TCP a source follows as over a Unix socket', async () => {
  const api = await startApi({ transport: 'tcp' })
  expect(api.endpoint).toMatch(/^tcp:\/\/127\.0\.0\.1:\d+$/)
  await api.grant(web)
  const source = await open(api)
  const updated = nextUpdate(source)
  await api.grant(web)
  await updated
  expect(source.state).toBe('fresh')
})

test('a source that waits for an agent warns why where nobody is told, once a minute', async () => {
  const warned = vi.spyOn(process, 'emitWarning').mockReturnValue()
  onTestFinished(() => warned.mockRestore())
  const clock = new FakeClock()
  const leaving = new AbortController()
  const { signal } = leaving
  const waiting = X509Source.open({ endpoint: 'unix:///nowhere/agent.sock', clock, signal })
  await eventually(() => warned.mock.calls.length > 0)
  expect(warned.mock.calls[0]?.[0]).toMatch(/^the Workload API gives nothing new: .*\(.*\)/)
  await clock.advance(30_000)
  expect(warned).toHaveBeenCalledTimes(1)
  await clock.advance(60_000)
  await eventually(() => warned.mock.calls.length === 2)
  leaving.abort()
  await expect(waiting).rejects.toThrow()
})
