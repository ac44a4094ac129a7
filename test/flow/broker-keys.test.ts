import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../src/svid/x509-svid.ts'
import { eventually } from '../../src/testing/eventually.ts'
import { startRawVendor } from '../support/raw-vendor.ts'
import {
  caller,
  type RunningBroker,
  startBroker,
  type TrailLine,
  vendorKey,
} from '../support/running-broker.ts'
import { webCertificate } from '../support/web-certificate.ts'

let broker: RunningBroker
let svid: X509Svid
let known: Set<string>
let made = 0

const acme = { svid_alone: true, request_headers: ['x-note'] }
const refused = 'HTTP/1.1 401 No\r\ncontent-length: 2\r\n\r\nno'
const keyOf = (request: string): string => /\r\nx-api-key: (.*)\r\n/.exec(request)?.[1] ?? ''
const keysSent = (): readonly string[] => broker.vendor.requests.map(keyOf)
const call = (more = {}) => broker.call({ svid, ...more })

beforeAll(async () => {
  const folder = { 'another.key': 'the-key-of-another-integration' }
  broker = await startBroker({ acme, metrics: true })
  for (const [name, key] of Object.entries(folder)) put(key, name)
  await broker.reload({ acme, others: [{ ...another() }] })
  svid = await broker.api.trustDomain.issueX509(SpiffeId.parse(caller))
})

afterAll(() => broker?.stop())

beforeEach(() => {
  known = new Set([keyInFile()])
  broker.vendor.answer = (request) =>
    known.has(keyOf(request)) ? 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi' : refused
})

function another() {
  return {
    ...{ id: 'another', owner: 'sales', secret: { file: join(broker.folder, 'another.key') } },
    ...{ upstream: `https://api.acme.test:${broker.vendor.port}`, networks: ['127.0.0.0/8'] },
    ...{ ca: broker.config.integrations[0]?.ca, inject: { header: 'X-Api-Key' } },
    ...{ methods: ['GET'], paths: ['/**'] },
  }
}

/** As a rotating program puts it: whole at once. */
function put(key: string, name = 'acme.key', mode = 0o600): void {
  const path = join(broker.folder, name)
  writeFileSync(`${path}.new`, `${key}\n`, { mode })
  renameSync(`${path}.new`, path)
}

function keyInFile(): string {
  return readFileSync(join(broker.folder, 'acme.key'), 'utf8').trim()
}

function newKey(): string {
  made += 1
  return `key-number-${made}-of-acme`
}

const onRecord = (kind: string): readonly TrailLine[] =>
  broker.trail().filter((line) => line.kind === kind)

/** Puts another key there, and has it read at once. */
async function change(key = newKey()): Promise<string> {
  put(key)
  await broker.reload({ acme, others: [another()] })
  return key
}

test('a key whose file changes is taken over while it runs, on record, and no call fails by it', async () => {
  const old = keyInFile()
  const key = newKey()
  known.add(key)
  let over = false
  const failures: unknown[] = []
  const calling = (async () => {
    while (!over) {
      const { status, reason } = await call()
      if (status !== 200) failures.push([status, reason])
    }
  })()
  put(key)
  await eventually(() => keysSent().includes(key))
  known.delete(old)
  for (let n = 0; n < 5; n += 1) expect((await call()).status).toBe(200)
  over = true
  await calling
  expect(failures).toEqual([])
  expect(onRecord('broker.key.taken').at(-1)).toMatchObject({
    ...{ actor: { kind: 'server' }, decision: 'allow', resourceOwner: 'sales' },
    audience: [broker.audience()],
    details: { integration: 'acme', replaces: true, since: expect.any(String) },
  })
  for (const one of [vendorKey, old, key]) {
    expect(broker.log()).not.toContain(one)
    expect(JSON.stringify(broker.trail())).not.toContain(one)
  }
})

describe('while one key takes the place of another,', () => {
  const fallbacks = async (): Promise<number> => {
    const counted = /^countersign_broker_key_fallbacks_total{integration="acme"} (\d+)$/m
    return Number(counted.exec(await broker.metrics())?.[1] ?? 0)
  }

  test('a vendor that does not take the new one yet is called with the old one, and it is counted', async () => {
    const old = keyInFile()
    const key = await change()
    const before = await fallbacks()
    broker.vendor.requests.length = 0
    for (let at = 0; at < 3; at += 1) {
      expect((await call({ method: 'DELETE' })).status).toBe(200)
    }
    expect(keysSent()).toEqual([key, old, key, old, key, old])
    expect(await fallbacks()).toBe(before + 3)
    // Once a minute, however many calls that are.
    const said = broker.log().match(/.*is called with another.*"key":"previous".*/g)
    expect(said).toHaveLength(1)
  })

  test('a file that is written anew with the same key is no change: the one before it is there still', async () => {
    const old = keyInFile()
    const key = await change()
    const taken = onRecord('broker.key.taken').length
    const logged = broker.log().length
    const inUse = (): readonly string[] => {
      const lines = broker.log().slice(logged).split('\n')
      const said = lines.filter((line) => line.includes('another key of a vendor is in use'))
      return said.map((line) => JSON.parse(line).integration)
    }
    put(key)
    // Looked at after the other.
    put(newKey(), 'another.key')
    await eventually(() => inUse().includes('another'))
    known = new Set([old])
    broker.vendor.requests.length = 0
    expect((await call({ method: 'DELETE' })).status).toBe(200)
    expect(keysSent()).toEqual([key, old])
    expect(onRecord('broker.key.taken').slice(taken)).toMatchObject([
      { details: { integration: 'another' } },
    ])
    expect(inUse()).toEqual(['another'])
  })

  test('a call that had begun is sent once more with the new one, where the old one is taken no more', async () => {
    const old = keyInFile()
    const heard = Promise.withResolvers<void>()
    const replaced = Promise.withResolvers<void>()
    const answer = broker.vendor.answer
    broker.vendor.answer = (request, socket) => {
      if (keyOf(request) !== old) return answer(request, socket)
      heard.resolve()
      return replaced.promise.then(() => void socket.write(refused))
    }
    broker.vendor.requests.length = 0
    const calling = call({ path: '/acme/v2/slow' })
    await heard.promise
    const key = newKey()
    known.add(key)
    await change(key)
    replaced.resolve()
    expect((await calling).status).toBe(200)
    expect(keysSent().filter((one) => one === old)).toHaveLength(1)
  })

  test('a call with a body is not sent twice, nor any more than twice', async () => {
    await change()
    known.clear()
    broker.vendor.requests.length = 0
    expect((await call({ method: 'POST', body: 'x' })).status).toBe(401)
    expect(keysSent()).toHaveLength(1)
    expect((await call()).status).toBe(401)
    expect(keysSent()).toHaveLength(3)
  })

  test('of an answer that is not handed on nothing is waited for, and its connection is shut', async () => {
    await change()
    const shut = Promise.withResolvers<void>()
    broker.vendor.requests.length = 0
    broker.vendor.answer = (_, socket) => {
      if (keysSent().length > 1) return 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi'
      socket.once('close', () => shut.resolve())
      return 'HTTP/1.1 401 No\r\ncontent-length: 1000\r\n\r\nno'
    }
    expect([(await call()).status, keysSent().length]).toEqual([200, 2])
    await shut.promise
  })

  test('no other answer than 401 makes a call be sent again', async () => {
    await change()
    for (const status of [400, 403, 404, 407, 429, 500]) {
      broker.vendor.requests.length = 0
      broker.vendor.answer = () => `HTTP/1.1 ${status} No\r\ncontent-length: 2\r\n\r\nno`
      expect([(await call()).status, keysSent().length]).toEqual([status, 1])
    }
  })

  test('both are taken out of what comes back', async () => {
    const old = keyInFile()
    const key = await change()
    const body = `${old} ${key}`
    broker.vendor.answer = () => `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`
    expect((await call()).body).toBe(body.replaceAll(/\S/g, '*'))
  })

  test('T21 a key that is taken while an answer goes on is taken out of the rest of it', async () => {
    const old = keyInFile()
    const begun = Promise.withResolvers<void>()
    const replaced = Promise.withResolvers<void>()
    broker.vendor.answer = (_, socket) => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nfirst\n\r\n')
      return replaced.promise.then(() => {
        const text = `${old} ${keyInFile()}`
        socket.write(`${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`)
      })
    }
    const socket = await broker.dial(svid)
    let text = ''
    const whole = new Promise<void>((resolve) =>
      socket.on('data', (data) => {
        text += String(data)
        if (text.includes('first\n')) begun.resolve()
        if (text.endsWith('\r\n0\r\n\r\n')) resolve()
      }),
    )
    socket.write(`GET /acme/v2/stream HTTP/1.1\r\nhost: ${broker.host}\r\n\r\n`)
    await begun.promise
    const key = await change()
    replaced.resolve()
    await whole
    socket.destroy()
    expect(text).not.toContain(old)
    expect(text).not.toContain(key)
    expect(text).toContain('*'.repeat(key.length))
  })

  test('the one before is never sent to another vendor', async () => {
    const web = await webCertificate('other.test')
    const other = await startRawVendor(web)
    other.answer = () => refused
    put(newKey(), 'other.key')
    await broker.reload({
      acme: {
        ...{ ...acme, upstream: `https://other.test:${other.port}`, ca: web.ca },
        secret: { file: join(broker.folder, 'other.key') },
      },
      others: [another()],
    })
    expect((await call()).status).toBe(401)
    expect(other.requests.map(keyOf)).toEqual([`key-number-${made}-of-acme`])
    await broker.reload({ acme, others: [another()] })
    await other.close()
    rmSync(web.folder, { recursive: true })
  })
})

test('a key that cannot be used is refused, on record, and the one that there is stays', async () => {
  const key = keyInFile()
  put('the-key-of-another-integration')
  await eventually(() => onRecord('broker.key.refused').length > 0)
  expect(onRecord('broker.key.refused')).toMatchObject([
    { reason: 'credential-shared', decision: 'deny', details: { integration: 'acme' } },
  ])
  broker.vendor.requests.length = 0
  known.add(key)
  expect((await call()).status).toBe(200)
  expect(keysSent()).toEqual([key])
})
