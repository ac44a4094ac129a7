import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import type { Probe } from './languages.ts'
import { type Dialled, type RunningProbe, startProbe } from './probe.ts'
import { idOf, openStand, type Stand, saidIn } from './stand.ts'

/*
 * Every language as a client of every language as a server, over and over, while SVIDs of 20 s and
 * authorities of 80 s take turns: within a trust domain, and across two that federate.
 */

const probes = Object.values(inject('probes'))
/** Between rounds, so that ten programs at a time leave server and agents room. */
const pauseMs = 200
let home: Stand
let partner: Stand

// An SVID is replaced when six seconds of it are left, or more: no machine stands still for so long.
const rotation = ['ca:', '  ttl: 80s', 'x509_svid_ttl: 20s']
const federation = [
  'federation:',
  '  allowed_networks: [127.0.0.1]',
  '  bundle_endpoint:',
  '    address: 127.0.0.1:0',
  '    profile: https_spiffe',
]

beforeAll(async () => {
  const server = [...rotation, ...federation]
  home = await openStand({ server })
  partner = await openStand({ server, trustDomain: 'partner.test' })
  await federate(home, partner)
  await federate(partner, home)
  await home.register(probes, partner.trustDomain)
  await partner.register(probes, home.trustDomain)
})

afterAll(async () => {
  await partner?.close()
  await home?.close()
})

/** Has `stand` fetch the bundle of `other`, once brought over by hand. */
async function federate(stand: Stand, other: Stand): Promise<void> {
  const file = join(stand.folder, 'other.json')
  writeFileSync(file, JSON.stringify(await other.operate('bundle', 'show')))
  const { address } = saidIn(other.log(), 'documents are served') ?? {}
  await stand.operate(
    ...['federation', 'create', '--trust-domain', other.trustDomain],
    ...['--url', `https://${address}/`, '--profile', 'https_spiffe', '--bundle-file', file],
    ...['--endpoint-spiffe-id', `spiffe://${other.trustDomain}/spire/server`],
  )
}

interface Server {
  readonly language: string
  readonly id: string
  readonly address: string
  readonly running: RunningProbe
}

interface Client {
  readonly language: string
  readonly id: string
  readonly running: RunningProbe
}

/** Lets in members of `admitted`. */
async function startServer(probe: Probe, stand: Stand, admitted: Stand): Promise<Server> {
  const { language } = probe
  const running = startProbe(probe, stand.socket, 'serve', admitted.trustDomain)
  const { listening } = await running.next<{ listening: string }>()
  return { language, id: idOf(language, stand.trustDomain), address: listening, running }
}

async function startClient(probe: Probe, stand: Stand): Promise<Client> {
  const { language } = probe
  const running = startProbe(probe, stand.socket, 'dial')
  await running.next()
  return { language, id: idOf(language, stand.trustDomain), running }
}

interface Round {
  readonly client: string
  readonly server: string
  readonly failure: string | undefined
}

async function shake(client: Client, server: Server): Promise<Round> {
  client.running.send(`${server.address} ${server.id}`)
  const said = await client.running.next<Dialled>()
  const good = said.peer === server.id && said.seenAs === client.id
  return {
    client: client.language,
    server: server.language,
    failure: good ? undefined : JSON.stringify(said),
  }
}

/** The client's whole turn: each server once. */
async function turn(client: Client, servers: readonly Server[]): Promise<readonly Round[]> {
  const rounds: Round[] = []
  for (const server of servers) rounds.push(await shake(client, server))
  return rounds
}

/** The X.509 authorities of the bundle, each as base64 of its DER. */
async function x509Authorities(stand: Stand): Promise<readonly string[]> {
  const { keys } = await stand.operate<{ keys: readonly { use: string; x5c?: string[] }[] }>(
    'bundle',
    'show',
  )
  return keys.filter(({ use }) => use === 'x509-svid').map(({ x5c }) => x5c?.[0] ?? '')
}

/** Handshakes that failed of those that were tried: a row a client, a column a server. */
function matrix(rounds: readonly Round[]): string {
  const names = probes.map(({ language }) => language)
  const cell = (client: string, server: string): string => {
    const those = rounds.filter((one) => one.client === client && one.server === server)
    return `${those.filter(({ failure }) => failure !== undefined).length}/${those.length}`
  }
  const row = (head: string, cells: readonly string[]): string =>
    [head.padEnd(16), ...cells.map((one) => one.padStart(8))].join('')
  return [
    row('client \\ server', names),
    ...names.map((client) =>
      row(
        client,
        names.map((server) => cell(client, server)),
      ),
    ),
  ].join('\n')
}

/** Clients of the one stand meet servers of the other until the authorities of both are all others. */
async function meetOverRotation(clientStand: Stand, serverStand: Stand): Promise<readonly Round[]> {
  const servers = await Promise.all(
    probes.map((probe) => startServer(probe, serverStand, clientStand)),
  )
  const clients = await Promise.all(probes.map((probe) => startClient(probe, clientStand)))
  const authorities = async (): Promise<readonly string[]> =>
    (await Promise.all([clientStand, serverStand].map(x509Authorities))).flat()
  const before = await authorities()
  const rounds: Round[] = []
  let areReplaced = false
  const meet = async (): Promise<void> => {
    while (!areReplaced) {
      const turns = await Promise.all(clients.map((client) => turn(client, servers)))
      rounds.push(...turns.flat())
      await sleep(pauseMs)
    }
  }
  const look = async (): Promise<void> => {
    try {
      for (let now = before; before.some((one) => now.includes(one)); now = await authorities()) {
        await sleep(3000)
      }
    } finally {
      areReplaced = true
    }
  }
  await Promise.all([meet(), look()])
  for (const { running } of [...clients, ...servers]) await running.end()
  return rounds
}

const ways: readonly (readonly [string, () => readonly (readonly [Stand, Stand])[]])[] = [
  ['within a trust domain', () => [[home, home]]],
  [
    'across two trust domains',
    () => [
      [home, partner],
      [partner, home],
    ],
  ],
]

test.each(ways)(
  '%s every language trusts every other over a rotation of the CA, without one failed handshake',
  async (where, pairs) => {
    const rounds = (
      await Promise.all(pairs().map(([clients, servers]) => meetOverRotation(clients, servers)))
    ).flat()
    process.stderr.write(
      `interop: failed handshakes of all over one rotation ${where}\n${matrix(rounds)}\n`,
    )
    expect(rounds.filter(({ failure }) => failure !== undefined)).toEqual([])
  },
)

test('every client refuses a server with another ID', async () => {
  const [first] = probes
  if (first === undefined) return
  const server = await startServer(first, home, home)
  for (const client of await Promise.all(probes.map((probe) => startClient(probe, home)))) {
    client.running.send(`${server.address} ${idOf('somebody-else')}`)
    expect((await client.running.next<Dialled>()).error, client.language).toEqual(
      expect.any(String),
    )
    await client.running.end()
  }
  await server.running.end()
})
