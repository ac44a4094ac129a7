import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttp, type IncomingMessage } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createServer as createTls } from 'node:tls'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { readSinks, sinksSchema } from '../../../../server/audit/settings.ts'
import { otlpRequest } from '../../../../server/audit/sinks/otlp-request.ts'
import { otlpSink } from '../../../../server/audit/sinks/otlp-sink.ts'
import type { Sink } from '../../../../server/audit/sinks/sink.ts'
import { streamSink } from '../../../../server/audit/sinks/stream-sink.ts'
import { syslogLocalSink, syslogUdpSink } from '../../../../server/audit/sinks/syslog-datagram.ts'
import { syslogStreamSink } from '../../../../server/audit/sinks/syslog-stream.ts'
import type { TrailLine } from '../../../../server/audit/trail-reader.ts'
import { chainStart, claimedLink, nextLine } from '../../../../src/audit/chain.ts'
import type { AuditEvent } from '../../../../src/audit/event.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { localDatagrams } from '../../../support/local-datagrams.ts'
import { reasonOf } from '../../../support/reason-of.ts'
import { webCertificate } from '../../../support/web-certificate.ts'

const never = new AbortController().signal
const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
let folder: string

beforeEach(() => {
  onTestFinished(() => void vi.unstubAllEnvs())
  folder = mkdtempSync(join(tmpdir(), 'sinks-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
})

function lines(...events: readonly Partial<AuditEvent>[]): TrailLine[] {
  let head = chainStart
  return events.map((event) => {
    const time = new Date('2026-06-01T12:00:00.123Z')
    const whole = {
      kind: 'token.issued',
      time,
      actor: { kind: 'server' },
      decision: 'allow',
    } as const
    const next = nextLine(head, { ...whole, ...event })
    head = next.head
    const link = claimedLink(next.line)
    if (link === undefined) throw new Error('no line')
    return { ...link, text: next.line }
  })
}

const two = lines({ owner: 'é', trace }, { kind: 'token.denied', decision: 'deny', reason: 'x' })

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** What comes over all connections, and these. */
function taking(
  server: Server,
  event: 'connection' | 'secureConnection',
): { text(): string; sockets: Socket[] } {
  let text = ''
  const sockets: Socket[] = []
  server.on(event, (socket: Socket) => {
    sockets.push(socket)
    socket.on('data', (chunk) => {
      text += String(chunk)
    })
    socket.on('error', () => {})
  })
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
  })
  return { text: () => text, sockets }
}

/** RFC 6587 §3.4.1 */
function unframed(text: string): string[] {
  const found: string[] = []
  for (let at = 0; at < text.length; ) {
    const blank = text.indexOf(' ', at)
    const end = blank + 1 + Number(text.slice(at, blank))
    found.push(text.slice(blank + 1, end))
    at = end
  }
  return found
}

const rfc5424 = /^<(\d+)>1 (\S+) (\S+) countersign \d+ (\S+) - (\{.*\})$/

function expectSyslog(messages: readonly string[]): void {
  const parsed = messages.map((message) => rfc5424.exec(message)?.slice(1) ?? [message])
  expect(parsed.map(([priority, time, , id]) => [priority, time, id])).toEqual([
    ['110', '2026-06-01T12:00:00.123Z', 'token.issued'],
    ['108', '2026-06-01T12:00:00.123Z', 'token.denied'],
  ])
  // The very bytes of the record: they can be held against the trail.
  expect(parsed.map((one) => one[4])).toEqual(two.map(({ text }) => text))
}

function closing(sink: Sink): Sink {
  onTestFinished(() => sink.close())
  return sink
}

describe('a syslog sink', () => {
  test('RFC 6587 §3.4.1 RFC 5424 §6 sends over TCP, each message with its length', async () => {
    const server = createServer()
    const taken = taking(server, 'connection')
    const address = { host: '127.0.0.1', port: await listening(server) }
    await closing(syslogStreamSink({ address, tls: false })).send(two, never)
    await expect.poll(() => unframed(taken.text()).length).toBe(2)
    expectSyslog(unframed(taken.text()))
  })

  test('RFC 5425 sends over TLS to whom the CA has certified by this name, and to nobody else', async () => {
    const web = await webCertificate('localhost')
    onTestFinished(() => rmSync(web.folder, { recursive: true }))
    const server = createTls({ cert: readFileSync(web.certificate), key: readFileSync(web.key) })
    const taken = taking(server, 'secureConnection')
    const names: unknown[] = []
    server.on('secureConnection', ({ servername }) => void names.push(servername))
    server.on('tlsClientError', () => {})
    const port = await listening(server)
    const to = (host: string, ca: string | undefined) =>
      closing(syslogStreamSink({ address: { host, port }, tls: { ca } }))
    await to('localhost', web.ca).send(two, never)
    await expect.poll(() => unframed(taken.text()).length).toBe(2)
    expectSyslog(unframed(taken.text()))
    // RFC 6066 §3: by it a server with several certificates finds the one to show.
    expect(names).toEqual(['localhost'])
    // Whatever somebody has set for all programs of the machine.
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
    for (const sink of [to('127.0.0.1', web.ca), to('localhost', undefined)]) {
      await expect(sink.send(two, never)).rejects.toMatchObject({ reason: 'audit-sink-address' })
    }
    expect(unframed(taken.text())).toHaveLength(2)
    expect(() => to('localhost', join(folder, 'no.pem'))).toThrow(
      expect.objectContaining({ reason: 'audit-sink-ca' }),
    )
  })

  test('tells that a connection has broken over which it has just sent, and connects anew', async () => {
    const server = createServer()
    const taken = taking(server, 'connection')
    const address = { host: '127.0.0.1', port: await listening(server) }
    const sink = closing(syslogStreamSink({ address, tls: false }))
    await sink.send(two, never)
    sink.check?.()
    await expect.poll(() => unframed(taken.text()).length).toBe(2)
    taken.sockets[0]?.resetAndDestroy()
    const broken = { reason: 'audit-sink-broken' }
    await expect.poll(() => reasonOf((async () => sink.check?.())())).toBe(broken.reason)
    await expect(sink.send(two, never)).rejects.toMatchObject(broken)
    sink.close()
    sink.check?.()
    await sink.send(two, never)
    await expect.poll(() => unframed(taken.text()).length).toBe(4)
    expect(taken.sockets).toHaveLength(2)
  })

  test('connects anew without a word where what it has sent is old', async () => {
    const server = createServer()
    const taken = taking(server, 'connection')
    const address = { host: '127.0.0.1', port: await listening(server) }
    const sink = closing(syslogStreamSink({ address, tls: false }))
    await sink.send(two, never)
    await expect.poll(() => taken.sockets.length).toBe(1)
    const first = taken.sockets[0] as Socket
    first.end()
    await once(first, 'close')
    const now = vi.spyOn(systemClock, 'monotonicMs').mockReturnValue(performance.now() + 5000)
    onTestFinished(() => now.mockRestore())
    sink.check?.()
    await sink.send(two, never)
    await expect.poll(() => unframed(taken.text()).length).toBe(4)
  })

  test('RFC 5426 sends a datagram each over UDP, and names a record that is too long for one', async () => {
    const socket = createSocket('udp4')
    onTestFinished(() => void socket.close())
    const messages: string[] = []
    socket.on('message', (message) => messages.push(String(message)))
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    const sink = closing(syslogUdpSink({ host: '127.0.0.1', port: socket.address().port }))
    await sink.send(two, never)
    await expect.poll(() => messages.length).toBe(2)
    expectSyslog(messages)
    const [long] = lines({ purpose: 'long '.repeat(20_000) })
    await sink.send([long as TrailLine], never)
    await expect.poll(() => messages.length).toBe(3)
    const said = JSON.parse(rfc5424.exec(messages[2] ?? '')?.[5] ?? '')
    expect(said).toMatchObject({ n: 1, kind: 'token.issued', hash: long?.head.hash })
  })

  test('hears that nobody listens to its datagrams, where the other machine says so', async () => {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    const { port } = socket.address()
    await new Promise<void>((resolve) => socket.close(resolve))
    const sink = closing(syslogUdpSink({ host: '127.0.0.1', port }))
    sink.check?.()
    await sink.send(two.slice(0, 1), never)
    await expect
      .poll(() => reasonOf((async () => sink.check?.())()).catch(() => 'told'))
      .toBe('told')
    sink.close()
    sink.check?.()
  })

  test('sends to /dev/log as the C library does, and waits a second for who does not read', async () => {
    const path = join(folder, 'log')
    const sink = closing(syslogLocalSink(path))
    await expect(sink.send(two, never)).rejects.toMatchObject({ reason: 'unix-datagram' })
    const received = localDatagrams(path)
    onTestFinished(() => received.close())
    await sink.send(two, never)
    expect(received.take()).toEqual(
      two.map(({ text }, at) => `<${[110, 108][at]}>countersign[${process.pid}]: ${text}`),
    )
    const many = Array.from({ length: 10_000 }, () => two[0] as TrailLine)
    await expect(sink.send(many, never)).rejects.toMatchObject({ reason: 'audit-sink-behind' })
  })

  test('has /dev/log take a batch that is larger than its queue, each line once', async () => {
    const path = join(folder, 'log')
    const received = localDatagrams(path)
    onTestFinished(() => received.close())
    const many = Array.from({ length: 256 }, (_, n) => ({ ...two[0], text: `${n}` }) as TrailLine)
    let isSent = false
    const sending = closing(syslogLocalSink(path))
      .send(many, never)
      .finally(() => {
        isSent = true
      })
    const found: string[] = []
    for (; !isSent; await nextTurn()) found.push(...received.take())
    await sending
    found.push(...received.take())
    expect(found.map((one) => one.split(': ')[1])).toEqual(many.map(({ text }) => text))
  })
})

describe('an OTLP sink', () => {
  async function collector(
    answer: (request: IncomingMessage, body: string) => { status?: number; body?: string },
    web?: Awaited<ReturnType<typeof webCertificate>>,
  ): Promise<number> {
    const handle: Parameters<typeof createHttp>[1] = async (request, response) => {
      let body = ''
      for await (const chunk of request) body += String(chunk)
      const { status = 200, body: said = '{}' } = answer(request, body)
      response.writeHead(status, { 'content-type': 'application/json', location: '/' }).end(said)
    }
    const server =
      web === undefined
        ? createHttp(handle)
        : createHttps({ cert: readFileSync(web.certificate), key: readFileSync(web.key) }, handle)
    onTestFinished(() => server.closeAllConnections())
    return listening(server)
  }

  test('posts a line that was changed as it stands, and what comes behind it', async () => {
    const bodies: string[] = []
    const answer = (_: IncomingMessage, body: string) => {
      bodies.push(body)
      return {}
    }
    const url = `http://127.0.0.1:${await collector(answer)}/v1/logs`
    const settings = { url, ca: undefined, tokenFile: undefined }
    const [first, second] = two as [TrailLine, TrailLine]
    const changed = { ...first, text: `${first.text.slice(0, 40)}"${first.text.slice(41)}` }
    await closing(otlpSink(settings, 'c0', silentLog)).send([changed, second], never)
    const [sent] = JSON.parse(bodies[0] ?? '').resourceLogs[0].scopeLogs
    expect(sent.logRecords).toMatchObject([
      { timeUnixNano: '0', body: { stringValue: changed.text }, attributes: [] },
      { eventName: 'countersign.token.denied', body: { stringValue: second.text } },
    ])
  })

  // A collector refuses the whole batch for one of them, and so what comes behind it.
  test.for([
    ['a trace', { trace: '00-xyz' }],
    ['a trace without a span', { trace: `00-${'a'.repeat(32)}` }],
    ['a time before 1970', { time: '1900-01-01T00:00:00.000Z' }],
    ['a time too late for 64 bits', { time: '9999-01-01T00:00:00.000Z' }],
    ['a number that is none of 64 bits', { jti: 1.5 }],
  ] as const)(
    'sends nothing in another form than OTLP’s of a line that was changed: %s',
    ([, changed]) => {
      const [line] = two as [TrailLine]
      const text = JSON.stringify({ ...JSON.parse(line.text), ...changed })
      const sent = JSON.stringify(otlpRequest([{ ...line, text }], 'c0'))
      const [record] = JSON.parse(sent).resourceLogs[0].scopeLogs[0].logRecords
      expect(record.body.stringValue).toBe(text)
      expect(record.traceId ?? 'a'.repeat(32)).toMatch(/^[0-9a-f]{32}$/)
      expect(record.spanId ?? 'a'.repeat(16)).toMatch(/^[0-9a-f]{16}$/)
      expect(Number.isInteger(record.flags ?? 0)).toBe(true)
      expect(record.timeUnixNano).toMatch(/^\d{1,19}$/)
      for (const { value } of record.attributes) {
        expect(value.intValue ?? '0').toMatch(/^-?\d{1,19}$/)
      }
    },
  )

  test('posts log records in JSON: the line is the body, the trace is the caller’s', async () => {
    const web = await webCertificate('localhost')
    onTestFinished(() => rmSync(web.folder, { recursive: true }))
    const bodies: string[] = []
    const seen: unknown[] = []
    const answer = (request: IncomingMessage, body: string) => {
      seen.push([
        request.method,
        request.url,
        request.headers['content-type'],
        request.headers.authorization,
      ])
      bodies.push(body)
      return {}
    }
    const port = await collector(answer, web)
    const tokenFile = join(folder, 'token')
    writeFileSync(tokenFile, 'of-the-collector\n', { mode: 0o600 })
    const url = `https://localhost:${port}/v1/logs`
    await closing(otlpSink({ url, ca: web.ca, tokenFile }, 'c0', silentLog)).send(two, never)
    expect(seen).toEqual([['POST', '/v1/logs', 'application/json', 'Bearer of-the-collector']])
    const { resourceLogs } = JSON.parse(bodies[0] ?? '')
    const { resource, scopeLogs } = resourceLogs[0]
    expect(resource.attributes).toContainEqual({
      key: 'service.instance.id',
      value: { stringValue: 'c0' },
    })
    const [issued, denied] = scopeLogs[0].logRecords
    expect(issued).toMatchObject({
      timeUnixNano: '1780315200123000000',
      severityNumber: 9,
      eventName: 'countersign.token.issued',
      body: { stringValue: two[0]?.text },
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      flags: 1,
    })
    expect(issued.attributes).toContainEqual({
      key: 'countersign.record.number',
      value: { intValue: '1' },
    })
    expect(denied).toMatchObject({ severityNumber: 13, severityText: 'WARN' })
    expect(denied).not.toHaveProperty('traceId')
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
    const stranger = closing(otlpSink({ url, ca: undefined, tokenFile }, 'c0', silentLog))
    await expect(stranger.send(two, never)).rejects.toThrow()
    expect(bodies).toHaveLength(1)
  })

  test('is given the records again where they are not taken, and follows no redirect', async () => {
    const statuses = [503, 429, 400, 302, 200]
    const port = await collector(() => ({ status: statuses.shift() ?? 500 }))
    const url = `http://127.0.0.1:${port}/v1/logs`
    const sink = closing(otlpSink({ url, ca: undefined, tokenFile: undefined }, 'c0', silentLog))
    for (let i = 0; i < 4; i += 1) {
      await expect(sink.send(two, never)).rejects.toMatchObject({ reason: 'audit-sink-refused' })
    }
    await sink.send(two, never)
    expect(statuses).toEqual([])
  })

  test('T12 is given the records again where the collector goes over to another protocol', async () => {
    const upgrade = 'HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'
    const server = createServer((socket) => socket.once('data', () => socket.write(upgrade)))
    const url = `http://127.0.0.1:${await listening(server)}/v1/logs`
    const sink = closing(otlpSink({ url, ca: undefined, tokenFile: undefined }, 'c0', silentLog))
    await expect(sink.send(two, never)).rejects.toThrow('without an answer')
  })

  test('tells of records that the collector refuses for good, and answers of any length and kind are bounded', async () => {
    const told: unknown[] = []
    const log = {
      ...silentLog,
      error: (_message: string, fields?: unknown) => void told.push(fields),
    }
    const rejected = '{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old"}}'
    const answers = [rejected, '<html>', `"${'x'.repeat(100_000)}"`]
    const port = await collector(() => ({ body: answers.shift() ?? '{}' }))
    const url = `http://127.0.0.1:${port}/v1/logs`
    const sink = closing(otlpSink({ url, ca: undefined, tokenFile: undefined }, 'c0', log))
    await sink.send(two, never)
    expect(told).toEqual([{ rejectedLogRecords: 2, errorMessage: 'too old' }])
    for (let i = 0; i < 2; i += 1) {
      await expect(sink.send(two, never)).rejects.toMatchObject({ reason: 'audit-sink-refused' })
    }
  })

  test('T22 a token that others can read is not sent', async () => {
    const port = await collector(() => expect.fail('it was asked'))
    const tokenFile = join(folder, 'token')
    writeFileSync(tokenFile, 'x', { mode: 0o644 })
    const url = `http://127.0.0.1:${port}/v1/logs`
    const sink = closing(otlpSink({ url, ca: undefined, tokenFile }, 'c0', silentLog))
    await expect(sink.send(two, never)).rejects.toMatchObject({ reason: 'audit-sink-token-mode' })
  })
})

test('a sink to standard output writes the lines as they are, and fails where nobody reads on', async () => {
  const stream = new PassThrough()
  const sink = streamSink(stream)
  await sink.send(two, never)
  expect(String(stream.read())).toBe(two.map(({ text }) => `${text}\n`).join(''))
  stream.destroy()
  await expect(sink.send(two, never)).rejects.toThrow()
})

describe('audit_sinks', () => {
  const read = (...said: readonly object[]) => readSinks(sinksSchema.parse(said))

  test('are read with their defaults', () => {
    expect(
      read(
        { type: 'stdout' },
        { type: 'syslog', address: 'tls://logs.example.org:6514', ca: '/etc/ca.pem' },
        { type: 'syslog', name: 'local', address: 'unix:///dev/log' },
        { type: 'otlp', url: 'http://127.0.0.1:4318/v1/logs' },
      ),
    ).toMatchObject([
      { name: 'stdout' },
      { name: 'syslog', to: { transport: 'tls', address: { port: 6514 } }, ca: '/etc/ca.pem' },
      { name: 'local', to: { transport: 'unix', path: '/dev/log' } },
      { name: 'otlp', tokenFile: undefined },
    ])
    expect(readSinks(undefined)).toEqual([])
  })

  test.each([
    ['two of one name', [{ type: 'stdout' }, { type: 'stdout' }]],
    ['a CA without TLS', [{ type: 'syslog', address: 'tcp://h:1', ca: '/x' }]],
    ['does not say how it is reached', [{ type: 'syslog', address: 'logs:514' }]],
    ['no port', [{ type: 'syslog', address: 'tcp://logs' }]],
    ['a relative socket', [{ type: 'syslog', address: 'unix://log' }]],
    ['plain HTTP to another machine', [{ type: 'otlp', url: 'http://collector/v1/logs' }]],
    ['a password in the URL', [{ type: 'otlp', url: 'https://a:b@collector/v1/logs' }]],
  ])('with %s are refused', (_what, said) => {
    expect(() => read(...said)).toThrow(expect.objectContaining({ reason: 'config-audit-sinks' }))
  })
})
