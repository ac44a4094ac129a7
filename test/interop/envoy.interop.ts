import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { PROMPT_MS } from '../support/prompt.ts'
import { type EnvoyPart, mtlsClient, mtlsServer, type Secrets } from './envoy/envoy-config.ts'
import { type Envoy, envoyVersions } from './envoy/install-envoy.ts'
import { type OwnService, openOwnService } from './envoy/own-service.ts'
import { eventually, freePorts, get, type RunningEnvoy, startEnvoy } from './envoy/running-envoy.ts'
import { openStand, type Stand, trustDomain } from './stand.ts'

const run = promisify(execFile)
const envoys = inject('envoys')
const ownId = `spiffe://${trustDomain}/own`
const idOf = ({ version }: Envoy, role: 'client' | 'server'): string =>
  `spiffe://${trustDomain}/envoy/${version}/${role}`

let stand: Stand

beforeAll(async () => {
  // An SVID is replaced when five seconds of it are left, or more: no machine stands still for so long.
  stand = await openStand({ server: ['x509_svid_ttl: 20s', 'ca:', '  ttl: 72s'] })
  const [agent] = await stand.operate<{ id: string }[]>('agent', 'list')
  const register = (id: string, program: string) =>
    stand.operate(
      ...['entry', 'create', '--wait', '--parent-id', agent?.id ?? '', '--spiffe-id', id],
      ...['--selector', `unix:path:${program}`],
    )
  await register(ownId, process.execPath)
  for (const envoy of Object.values(envoys)) {
    await register(idOf(envoy, 'client'), envoy.client)
    await register(idOf(envoy, 'server'), envoy.server)
  }
})

afterAll(async () => stand.close())

function start(program: string, parts: readonly EnvoyPart[]): RunningEnvoy {
  const envoy = startEnvoy(program, stand.socket, parts)
  onTestFinished(() => envoy.stop())
  return envoy
}

describe.for(envoyVersions.map((version) => ({ version })))('Envoy $version', ({ version }) => {
  const envoy = envoys[version]

  test.skipIf(envoy === undefined)('has its first secret at once', async () => {
    if (envoy === undefined) return
    const tookMs: number[] = []
    // A second is asked for, in which a busy machine does not even start the process.
    while (Math.min(...tookMs) >= PROMPT_MS && tookMs.length < 5) {
      const [port = 0] = await freePorts(1)
      const begun = performance.now()
      const running = start(envoy.server, [mtlsServer(port, stateOfTheWorld, [ownId])])
      await eventually(
        async () => (await running.certificates()).includes(idOf(envoy, 'server')),
        running.log,
      )
      tookMs.push(performance.now() - begun)
      await running.stop()
    }
    say(`Envoy ${version}: first secret ${Math.min(...tookMs).toFixed(0)} ms after its start`)
    expect(Math.min(...tookMs)).toBeLessThan(PROMPT_MS)
  })

  test.skipIf(envoy === undefined)(
    'takes the configuration in docs/envoy.md as it stands',
    async () => {
      if (envoy === undefined) return
      const text = readFileSync(new URL('../../docs/envoy.md', import.meta.url), 'utf8')
      const [whole, tls] = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, block]) =>
        parse(block ?? ''),
      )
      const check = (validation: unknown) => {
        const context = { ...tls.common_tls_context, combined_validation_context: validation }
        const config = JSON.stringify(withListener(whole, context))
        return run(envoy.server, ['--mode', 'validate', '--config-yaml', config])
      }
      const { combined_validation_context: validation } = tls.common_tls_context
      await expect(check(validation)).resolves.toBeDefined()
      await expect(check({ ...validation, no_such_key: 1 })).rejects.toThrow('no_such_key')
    },
  )
})

/** The static configuration with a TCP listener that has this TLS context. */
function withListener(config: { static_resources: object }, context: object): object {
  const type = 'type.googleapis.com/envoy.extensions'
  const typed_config = {
    '@type': `${type}.transport_sockets.tls.v3.DownstreamTlsContext`,
    common_tls_context: context,
  }
  const proxy = {
    '@type': `${type}.filters.network.tcp_proxy.v3.TcpProxy`,
    stat_prefix: 'x',
    cluster: 'countersign',
  }
  const chain = {
    transport_socket: { name: 'envoy.transport_sockets.tls', typed_config },
    filters: [{ name: 'envoy.filters.network.tcp_proxy', typed_config: proxy }],
  }
  const address = { socket_address: { address: '127.0.0.1', port_value: 0 } }
  const listeners = [{ name: 'x', address, filter_chains: [chain] }]
  return {
    node: { id: 'x', cluster: 'x' },
    static_resources: { ...config.static_resources, listeners },
  }
}

const stateOfTheWorld: Secrets = { svid: 'default', bundle: 'ROOTCA', variant: 'GRPC' }

/** A way that requests take all the while. */
interface Path {
  readonly name: string
  ask(): Promise<{ readonly status: number; readonly body: string }>
}

test.skipIf(Object.keys(envoys).length === 0)(
  'mTLS between Envoys, and with our own service, loses no request over rotations of SVIDs and CA',
  async () => {
    const own = await openOwnService(stand.socket, (peer) => peer.endsWith('/client'))
    onTestFinished(() => own.close())
    const all = Object.values(envoys)
    const paths: Path[] = []
    const running: RunningEnvoy[] = []
    const clients = [...all.map((envoy) => idOf(envoy, 'client')), ownId]
    const servers: number[] = []
    for (const envoy of all) {
      const [first = 0, second = 0] = await freePorts(2)
      const id = idOf(envoy, 'server')
      running.push(
        start(envoy.server, [
          mtlsServer(first, stateOfTheWorld, clients),
          mtlsServer(second, { svid: id, bundle: 'ALL', variant: 'DELTA_GRPC' }, clients),
        ]),
      )
      servers.push(first, second)
      paths.push(ownPath(own, `own → ${envoy.version}`, first, id))
    }
    const serverIds = all.map((envoy) => idOf(envoy, 'server'))
    for (const envoy of all) {
      const targets = [
        ...servers.map((port, index) => ({ port, name: `server ${index}`, ids: serverIds })),
        { port: own.port, name: 'own', ids: [ownId] },
      ]
      const ports = await freePorts(targets.length)
      running.push(
        start(
          envoy.client,
          targets.map(({ port, ids }, index) =>
            mtlsClient(ports[index] ?? 0, port, secretsOf(index, envoy), ids),
          ),
        ),
      )
      targets.forEach(({ name }, index) => {
        const port = ports[index] ?? 0
        paths.push({ name: `${envoy.version} → ${name}`, ask: () => get({ port }) })
      })
    }
    const log = () => running.map((one) => one.log()).join('\n')
    for (const path of paths) {
      await eventually(
        async () => (await path.ask().catch(() => undefined))?.status === 200,
        () => `${path.name}\n${log()}`,
      )
    }

    const failures: string[] = []
    const counts = new Map(paths.map(({ name }) => [name, 0]))
    const seen = running.map(() => newSeen())
    let isOver = false
    const askOn = async (path: Path): Promise<void> => {
      while (!isOver) {
        try {
          const { status, body } = await path.ask()
          if (status !== 200) failures.push(`${path.name}: ${status} ${body}`)
        } catch (error) {
          failures.push(`${path.name}: ${String(error)}`)
        }
        counts.set(path.name, (counts.get(path.name) ?? 0) + 1)
        await sleep(50)
      }
    }
    const isDone = (): boolean =>
      own.signers.size > 1 &&
      seen.every(isRotated) &&
      [...counts.values()].every((count) => count > 50)
    const look = async (): Promise<void> => {
      try {
        while (!isDone() && failures.length === 0) {
          await sleep(500)
          await Promise.all(running.map((one, index) => note(one, seen[index])))
        }
      } finally {
        isOver = true
      }
    }
    await Promise.all([look(), ...paths.map(askOn)])

    expect(failures.slice(0, 10), log()).toEqual([])
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
    say(`${total} requests on ${paths.length} paths, ${failures.length} failed`)
  },
)

function say(text: string): void {
  process.stderr.write(`interop: ${text}\n`)
}

/** Each way of asking for secrets has its turn. */
function secretsOf(index: number, envoy: Envoy): Secrets {
  const ways: readonly Secrets[] = [
    stateOfTheWorld,
    { svid: idOf(envoy, 'client'), bundle: 'ALL', variant: 'DELTA_GRPC' },
    { svid: 'default', bundle: `spiffe://${trustDomain}`, variant: 'GRPC' },
  ]
  return ways[index % ways.length] ?? stateOfTheWorld
}

function ownPath(own: OwnService, name: string, port: number, id: string): Path {
  return { name, ask: () => own.get(port, id) }
}

/** The serial numbers of the certificates that an Envoy has used: its own, and its CAs at first, now and ever. */
interface Seen {
  readonly leaves: Set<string>
  readonly roots: Set<string>
  firstRoots: readonly string[] | undefined
  lastRoots: readonly string[]
}

function newSeen(): Seen {
  return { leaves: new Set(), roots: new Set(), firstRoots: undefined, lastRoots: [] }
}

/** Several SVIDs have come and gone, and the CA of the beginning with them. */
function isRotated({ leaves, roots, firstRoots, lastRoots }: Seen): boolean {
  return (
    leaves.size > 4 &&
    roots.size > 1 &&
    !lastRoots.some((one) => firstRoots?.includes(one) === true)
  )
}

/** Which certificates the Envoy uses at this moment. */
async function note(envoy: RunningEnvoy, seen: Seen | undefined): Promise<void> {
  const text = await envoy.certificates()
  if (text === '' || seen === undefined) return
  const { certificates } = JSON.parse(text) as {
    certificates: {
      cert_chain: { serial_number: string }[]
      ca_cert: { serial_number: string }[]
    }[]
  }
  for (const { cert_chain: chain } of certificates) {
    for (const one of chain) seen.leaves.add(one.serial_number)
  }
  seen.lastRoots = certificates.flatMap(({ ca_cert: cas }) => cas.map((one) => one.serial_number))
  seen.firstRoots ??= seen.lastRoots
  for (const one of seen.lastRoots) seen.roots.add(one)
}
