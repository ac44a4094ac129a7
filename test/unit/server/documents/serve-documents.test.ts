import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { serveDocuments } from '../../../../server/documents/serve-documents.ts'
import type { TlsSource } from '../../../../server/documents/serve-web.ts'
import { tlsFromFiles } from '../../../../server/documents/web-files.ts'
import { type Log, silentLog } from '../../../../src/runtime/log.ts'
import { pipelined } from '../../../support/pipelined.ts'
import { PROMPT_MS } from '../../../support/prompt.ts'
import { webCertificate } from '../../../support/web-certificate.ts'

/** The port of an endpoint that is there for one test. */
async function serve(
  tls: TlsSource | undefined,
  host = '127.0.0.1',
): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const stop = new AbortController()
  const listening = Promise.withResolvers<number>()
  const log: Log = {
    ...silentLog,
    info: (_, fields) => listening.resolve(Number(String(fields?.['address']).split(':').at(-1))),
  }
  const endpoint = {
    name: 'test',
    setting: 'test',
    address: { host, port: 0 },
    tls,
    documents: new Map([['/', () => '{}']]),
    cacheControl: 'no-cache',
    opened: () => {},
  }
  const served = serveDocuments(endpoint, log, stop.signal)
  const end = async (): Promise<void> => {
    stop.abort()
    await served
  }
  onTestFinished(end)
  return { port: await listening.promise, stop: end }
}

async function webFiles(): Promise<TlsSource> {
  const web = await webCertificate('localhost')
  onTestFinished(() => rmSync(web.folder, { recursive: true, force: true }))
  return tlsFromFiles(web, 'test', 'test')
}

test('a certificate or a key that cannot be used is refused with the file, or the two, and what to do', async () => {
  const [web, other] = [await webCertificate('localhost'), await webCertificate('localhost')]
  onTestFinished(() => {
    for (const { folder } of [web, other]) rmSync(folder, { recursive: true, force: true })
  })
  const { certificate, key } = web
  const nowhere = `${web.folder}/nowhere.pem`
  const together = (code: string): string =>
    `test.certificate and test.key cannot be used together (${code})`
  for (const [files, message] of [
    [{ certificate: nowhere, key }, `test.certificate ${nowhere} cannot be read (ENOENT)`],
    [{ certificate, key: nowhere }, `test.key ${nowhere} cannot be read (ENOENT)`],
    [{ certificate, key: other.key }, together('ERR_OSSL_X509_KEY_VALUES_MISMATCH')],
    [{ certificate: key, key }, together('ERR_OSSL_PEM_NO_START_LINE')],
  ] as const) {
    const read = (): unknown => tlsFromFiles(files, 'test', 'test').options()
    const told = { code: 'invalid', reason: 'test-certificate', message }
    expect(read).toThrow(
      expect.objectContaining({ ...told, fix: expect.stringMatching(/^name a /) }),
    )
  }
})

/** How long it takes the server to hang up, while `every` is sent each half second. */
async function heldMs(socket: Socket, every: string): Promise<number> {
  const startedMs = performance.now()
  const timer = setInterval(() => socket.write(every), 500)
  socket.on('error', () => {}).resume()
  await new Promise((resolve) => socket.once('close', resolve))
  clearInterval(timer)
  return performance.now() - startedMs
}

test('T12 who says nothing, and who says it a byte at a time, is hung up on in seconds', async () => {
  const { port: secure } = await serve(await webFiles())
  const { port: plain } = await serve(undefined)
  const host = '127.0.0.1'
  const held = await Promise.all([
    heldMs(connect(secure, host), ''),
    heldMs(tlsConnect({ port: secure, host, rejectUnauthorized: false }), 'G'),
    heldMs(connect(plain, host), 'G'),
  ])
  // Node would wait for five minutes.
  expect(Math.max(...held)).toBeLessThan(60_000)
}, 90_000)

test('T12 of many requests in one piece a few are served, and the connection is ended', async () => {
  const { port: secure } = await serve(await webFiles())
  const { port: plain } = await serve(undefined)
  const host = '127.0.0.1'
  const request = 'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n'
  const tls = tlsConnect({ port: secure, host, rejectUnauthorized: false })
  expect(await pipelined(tls, request, 100)).toBeLessThan(20)
  expect(await pipelined(connect(plain, host), request, 100)).toBeLessThan(20)
})

test('a certificate that becomes another while the endpoint opens is shown', async () => {
  const [first, second] = [await webFiles(), await webFiles()]
  let shown = first
  const listeners = new Set<() => void>()
  const renewOnce = (): void => {
    if (shown === second) return
    shown = second
    for (const listener of listeners) listener()
  }
  const source: TlsSource = {
    options() {
      const options = shown.options()
      setImmediate(renewOnce)
      return options
    },
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
  // The name is looked up first, which takes a moment.
  const { port } = await serve(source, 'localhost')
  const client = tlsConnect({ port, host: 'localhost', rejectUnauthorized: false })
  await once(client, 'secureConnect')
  const pem = String(second.options().cert)
  expect(client.getPeerX509Certificate()?.serialNumber).toBe(new X509Certificate(pem).serialNumber)
  client.destroy()
})

test('a stop waits for nobody, not even for who is in the midst of a handshake', async () => {
  const { port, stop } = await serve(await webFiles())
  const silent = connect(port, '127.0.0.1')
  const closed = once(silent, 'close')
  await once(tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false }), 'secureConnect')
  const startedMs = performance.now()
  await stop()
  expect(performance.now() - startedMs).toBeLessThan(PROMPT_MS)
  await closed
})
