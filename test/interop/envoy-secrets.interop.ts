import { Agent, request } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import type { Identity, Updates, WorkloadUpdate } from '../../agent/cache/cache.ts'
import { defaultSdsConfig, type SdsConfig } from '../../agent/sds/names.ts'
import type { Bundle } from '../../src/bundle/bundle.ts'
import { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { generateKeyPair, softwareSigner } from '../../src/x509/key.ts'
import { toPem } from '../../src/x509/pem.ts'
import { certify, type Made, partyWith, root } from '../support/x509-fixtures.ts'
import { startEndpoint } from '../unit/agent/workload-endpoint/fixture.ts'
import { entryOf } from '../unit/agent/workload-endpoint/identities.ts'
import { mtlsServer, type Secrets } from './envoy/envoy-config.ts'
import { type Envoy, envoyVersions } from './envoy/install-envoy.ts'
import { eventually, freePorts, type RunningEnvoy, startEnvoy } from './envoy/running-envoy.ts'

const envoys = inject('envoys')
const home = TrustDomain.parse('home.test')
const friend = TrustDomain.parse('friend.test')
const life = {
  notBefore: new Date(Date.now() - 60_000),
  notAfter: new Date(Date.now() + 3_600_000),
}

const cas = {
  home: await root('home', { ...life, uris: ['spiffe://home.test'] }),
  friend: await root('friend', { ...life, uris: ['spiffe://friend.test'] }),
  stranger: await root('stranger', { ...life, uris: ['spiffe://home.test'] }),
}

function bundleOf(trustDomain: TrustDomain, ca: Made): Bundle {
  return {
    trustDomain,
    x509Authorities: [{ certificate: ca.der, tainted: false }],
    jwtAuthorities: [],
    sequence: 1n,
    refreshHintSeconds: 0,
  }
}

/** A certificate for this ID, by whatever CA signs it, and its key; both DER. */
async function leafOf(
  ca: Made,
  id: string,
): Promise<{ readonly der: Buffer; readonly key: Buffer }> {
  const { privateKey } = await generateKeyPair('ec-p256')
  const subject = partyWith('', softwareSigner(privateKey))
  const { der } = await certify(subject, ca, { ...life, uris: [id] })
  return { der, key: privateKey.export({ format: 'der', type: 'pkcs8' }) }
}

/** The same as a client shows it. */
async function shown(
  ca: Made,
  id: string,
): Promise<{ readonly cert: string; readonly key: string }> {
  const { der, key } = await leafOf(ca, id)
  return { cert: toPem('CERTIFICATE', der), key: toPem('PRIVATE KEY', key) }
}

/** What the one workload of these tests has; every Envoy here is that workload. */
class OneWorkload implements Updates {
  #now: WorkloadUpdate
  readonly #readers = new Set<(update: WorkloadUpdate) => void>()

  constructor(first: WorkloadUpdate) {
    this.#now = first
  }

  set(update: WorkloadUpdate): void {
    this.#now = update
    for (const deliver of this.#readers) deliver(update)
  }

  current(): WorkloadUpdate {
    return this.#now
  }

  watch(_selectors: unknown, _need: unknown, deliver: (update: WorkloadUpdate) => void) {
    this.#readers.add(deliver)
    deliver(this.#now)
    return () => this.#readers.delete(deliver)
  }
}

async function identity(path: string): Promise<Identity> {
  const spiffeId = SpiffeId.of(home, path)
  const { der, key } = await leafOf(cas.home, spiffeId)
  return {
    entry: { ...entryOf(path, []), spiffeId },
    svid: {
      spiffeId,
      chain: [der],
      privateKey: key,
      notBefore: life.notBefore,
      expiresAt: life.notAfter,
    },
  }
}

function updateOf(identities: readonly Identity[], federated: readonly Bundle[]): WorkloadUpdate {
  return {
    entries: identities.map(({ entry }) => entry),
    identities,
    bundle: bundleOf(home, cas.home),
    federated: new Map(federated.map((bundle) => [bundle.trustDomain, bundle])),
  }
}

async function serve(
  envoy: Envoy,
  update: WorkloadUpdate,
  listeners: readonly Secrets[],
  sds: SdsConfig = defaultSdsConfig,
): Promise<{ workload: OneWorkload; ports: readonly number[]; running: RunningEnvoy }> {
  const workload = new OneWorkload(update)
  const { path } = await startEndpoint({ updates: workload, sds })
  const ports = await freePorts(listeners.length)
  const peers = ['spiffe://home.test/client', 'spiffe://friend.test/client']
  const parts = listeners.map((secrets, index) => mtlsServer(ports[index] ?? 0, secrets, peers))
  const running = startEnvoy(envoy.server, path, parts)
  onTestFinished(() => running.stop())
  return { workload, ports, running }
}

/** `hello`, or why there is no answer; who the server is, is not what is tried here. */
function ask(port: number | undefined, shows: { cert?: string; key?: string }): Promise<string> {
  return new Promise((resolve) => {
    const call = request({
      ...shows,
      host: '127.0.0.1',
      port,
      rejectUnauthorized: false,
      agent: new Agent({ maxCachedSessions: 0 }),
    })
    call.on('response', (response) => {
      let body = ''
      response.on('data', (chunk) => {
        body += String(chunk)
      })
      response.on('end', () => resolve(body))
    })
    call.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    call.end()
  })
}

const client = await shown(cas.home, 'spiffe://home.test/client')
const friendly = await shown(cas.friend, 'spiffe://friend.test/client')
const refused = /^(ERR_SSL_|ECONNRESET|EPIPE|socket hang up)/
const byDefault = (bundle: string, variant: Secrets['variant']): Secrets => ({
  svid: 'default',
  bundle,
  variant,
})

describe.for(
  envoyVersions.flatMap((version) =>
    (['GRPC', 'DELTA_GRPC'] as const).map((variant) => ({ version, variant })),
  ),
)('Envoy $version by $variant', ({ version, variant }) => {
  const envoy = envoys[version]

  test.skipIf(envoy === undefined)(
    'T33 checks each peer against the CAs of its own trust domain, and lets a trust domain go that is taken away',
    async () => {
      if (envoy === undefined) return
      const identities = [await identity('/server')]
      const { workload, ports, running } = await serve(
        envoy,
        updateOf(identities, [bundleOf(friend, cas.friend)]),
        [byDefault('ALL', variant)],
      )
      const [port] = ports
      await eventually(async () => (await ask(port, client)) === 'hello', running.log)
      expect(await ask(port, friendly)).toBe('hello')
      expect(await ask(port, await shown(cas.friend, 'spiffe://home.test/client'))).toMatch(refused)
      expect(await ask(port, await shown(cas.home, 'spiffe://friend.test/client'))).toMatch(refused)
      expect(await ask(port, await shown(cas.stranger, 'spiffe://home.test/client'))).toMatch(
        refused,
      )
      expect(await ask(port, await shown(cas.home, 'spiffe://home.test/other'))).toMatch(refused)
      expect(await ask(port, {})).toMatch(refused)
      workload.set(updateOf(identities, []))
      await eventually(async () => refused.test(await ask(port, friendly)), running.log)
      expect(await ask(port, client)).toBe('hello')
    },
  )

  test.skipIf(envoy === undefined)(
    'a name without an entry spoils nothing but itself, does not loop, and is served once there is one',
    async () => {
      if (envoy === undefined) return
      const server = await identity('/server')
      const late = await identity('/late')
      const { workload, ports, running } = await serve(envoy, updateOf([server], []), [
        byDefault('ROOTCA', variant),
        { svid: late.svid.spiffeId, bundle: 'ROOTCA', variant },
      ])
      await eventually(async () => (await ask(ports[0], client)) === 'hello', running.log)
      await untilSilent(running)
      expect(await requestsFor(running, '/late')).toBeGreaterThan(0)
      expect(await ask(ports[1], client)).not.toBe('hello')
      workload.set(updateOf([server, late], []))
      await eventually(async () => (await ask(ports[1], client)) === 'hello', running.log)
      expect(await ask(ports[0], client)).toBe('hello')
    },
  )

  test.skipIf(envoy === undefined)(
    'a workload that loses its entries keeps what it has, and takes what it gets later',
    async () => {
      if (envoy === undefined) return
      const { workload, ports, running } = await serve(
        envoy,
        updateOf([await identity('/server')], []),
        [byDefault('ROOTCA', variant)],
      )
      const [port] = ports
      await eventually(async () => (await ask(port, client)) === 'hello', running.log)
      workload.set(updateOf([], []))
      await eventually(() => /no( |%20)identity/.test(running.log()), running.log)
      expect(await ask(port, client)).toBe('hello')
      workload.set(updateOf([await identity('/again')], []))
      await eventually(
        async () => (await running.certificates()).includes('spiffe://home.test/again'),
        running.log,
      )
      expect(await ask(port, client)).toBe('hello')
    },
  )

  test.skipIf(envoy === undefined)('takes a plain list of CAs, and other names', async () => {
    if (envoy === undefined) return
    const sds = {
      defaultSvidName: 'mine',
      defaultBundleName: 'null',
      defaultAllBundlesName: 'all',
      disableSpiffeCertValidation: true,
    }
    const { ports, running } = await serve(
      envoy,
      updateOf([await identity('/server')], []),
      [{ svid: 'mine', bundle: 'null', variant }],
      sds,
    )
    const [port] = ports
    await eventually(async () => (await ask(port, client)) === 'hello', running.log)
    expect(await ask(port, await shown(cas.stranger, 'spiffe://home.test/client'))).toMatch(refused)
    expect(await ask(port, await shown(cas.home, 'spiffe://home.test/other'))).toMatch(refused)
  })
})

/** How many requests the Envoy has made for secrets whose names end like this. */
async function requestsFor(running: RunningEnvoy, ending: string): Promise<number> {
  const attempts = Object.entries(await running.stats('update_attempt'))
  return attempts
    .filter(([name]) => name.endsWith(`${ending}.update_attempt`))
    .reduce((sum, [, value]) => sum + value, 0)
}

/** Resolves once the Envoy and the agent have had nothing to say to each other for 700 ms. */
async function untilSilent(running: RunningEnvoy): Promise<void> {
  const name = 'cluster.agent.upstream_cx_rx_bytes_total'
  let last = 0
  await eventually(async () => {
    const before = last
    await sleep(700)
    last = (await running.stats(name))[name] ?? 0
    return last > 0 && last === before
  }, running.log)
}
