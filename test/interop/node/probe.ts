// The contract of test/interop/probe.ts, kept with our own src/workload-api and src/mtls.
import { createInterface, type Interface } from 'node:readline'
import type { TLSSocket } from 'node:tls'
import type { BundleLookup } from '../../../src/bundle/bundle.ts'
import { connectMtls, listenMtls } from '../../../src/mtls/mutual-tls.ts'
import { matchOneOf, matchTrustDomain } from '../../../src/spiffe-id/matchers.ts'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import { verifyJwtSvid } from '../../../src/svid/jwt-svid.ts'
import { verifyX509Svid, type X509Svid } from '../../../src/svid/x509-svid.ts'
import { WorkloadApiClient } from '../../../src/workload-api/client.ts'
import { X509Source } from '../../../src/workload-api/x509-source.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'

/** Of a connection, to its end. */
const timeoutMs = 30_000
const signal = AbortSignal.timeout(60_000)

function say(line: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

function inputLines(): Interface {
  return createInterface({ input: process.stdin })
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : ` < ${messageOf(error.cause)}`
  return `${error.message}${'reason' in error ? ` (${error.reason})` : ''}${cause}`
}

function serialOf(svid: X509Svid): string {
  return parseCertificate(svid.chain[0] ?? Buffer.alloc(0)).serial.replace(/^0+/, '')
}

/** It has the process wait for updates, which a source does not do by itself. */
function openSource(): Promise<X509Source> {
  return X509Source.open({ signal, keepAlive: true })
}

async function validated(token: string, audience: string, bundles: BundleLookup): Promise<string> {
  return (await verifyJwtSvid(token, { audience, bundles })).spiffeId
}

async function fetch(audience: string): Promise<void> {
  await using client = new WorkloadApiClient()
  await using source = await openSource()
  const svid = source.svid()
  const ownDomain = SpiffeId.trustDomainOf(svid.spiffeId)
  const jwt = await client.fetchJwtBundles()
  const { token } = await client.fetchJwtSvid(audience)
  const { spiffeId } = verifyX509Svid(svid.chain, source, new Date())
  const jwtId = await validated(token, audience, jwt)
  say({
    id: svid.spiffeId,
    serial: serialOf(svid),
    roots: { [ownDomain]: source.bundleOf(ownDomain)?.x509Authorities.length },
    keys: Object.fromEntries(
      [...jwt.bundles].map(([name, one]) => [name, one.jwtAuthorities.length]),
    ),
    jwtId,
    token,
    sourced: { id: spiffeId, jwtId },
  })
}

async function validate(audience: string): Promise<void> {
  await using client = new WorkloadApiClient()
  const bundles = await client.fetchJwtBundles()
  for await (const token of inputLines()) {
    const answer: Record<string, string> = {}
    try {
      answer['byAgent'] = (await client.validateJwtSvid(token, audience)).spiffeId
    } catch (error) {
      answer['agentRefused'] = messageOf(error)
    }
    try {
      answer['byLibrary'] = await validated(token, audience, bundles)
    } catch (error) {
      answer['libraryRefused'] = messageOf(error)
    }
    say(answer)
  }
}

async function watch(count: string): Promise<void> {
  await using source = await openSource()
  const tell = (): void => {
    const svid = source.svid()
    const roots = source.bundleOf(SpiffeId.trustDomainOf(svid.spiffeId))?.x509Authorities.length
    say({ id: svid.spiffeId, serial: serialOf(svid), roots })
  }
  tell()
  for (let told = 1; told < Number(count); told++) {
    const { promise, resolve } = Promise.withResolvers<void>()
    const stop = source.onUpdate(resolve)
    await promise
    stop()
    tell()
  }
}

async function serve(trustDomain: string): Promise<void> {
  await using source = await openSource()
  const own = SpiffeId.trustDomainOf(source.svid().spiffeId)
  const listener = await listenMtls({
    source,
    authorize: matchTrustDomain(trustDomain === '' ? own : TrustDomain.parse(trustDomain)),
    host: '127.0.0.1',
    port: 0,
    timeoutMs,
    onConnection: (socket, peer) => {
      socket.once('data', () => socket.end(`${peer.spiffeId}\n`))
    },
    log: {
      debug: (message, fields) => say({ refused: message, ...fields }),
      info: (message, fields) => say({ refused: message, ...fields }),
      warn: () => {},
      error: (message, fields) => say({ refused: message, ...fields }),
      child: () => {
        throw new Error('not here')
      },
    },
  })
  say({ listening: `127.0.0.1:${listener.address.port}` })
  for await (const _ of inputLines());
  await listener.close()
}

async function dial(): Promise<void> {
  await using source = await openSource()
  say({ ready: true })
  for await (const line of inputLines()) {
    const [address = '', expected = ''] = line.split(' ')
    const { hostname: host, port } = new URL(`tcp://${address}`)
    try {
      const authorize = matchOneOf(SpiffeId.parse(expected))
      const { socket, peer } = await connectMtls({
        ...{ source, authorize, host, port: Number(port), timeoutMs },
      })
      say({ peer: peer.spiffeId, seenAs: await ask(socket) })
    } catch (error) {
      say({ error: messageOf(error) })
    }
  }
}

async function ask(socket: TLSSocket): Promise<string> {
  socket.setTimeout(timeoutMs, () => socket.destroy(new Error('no answer')))
  socket.write('who am I\n')
  let answer = ''
  for await (const data of socket) answer += String(data)
  if (answer === '') throw new Error('the peer hung up')
  return answer.trimEnd()
}

const verbs: Readonly<Record<string, (argument: string) => Promise<void>>> = {
  fetch,
  validate,
  watch,
  serve,
  dial,
}
const [verb = '', argument = ''] = process.argv.slice(2)
try {
  await verbs[verb]?.(argument)
} catch (error) {
  say({ error: messageOf(error) })
  process.exitCode = 1
}
