import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import type { Probe } from './languages.ts'
import { type Dialled, type RunningProbe, startProbe } from './probe.ts'
import { idOf, openStand, type Stand } from './stand.ts'

/*
 * Every language as a client of every language as a server, over and over, while SVIDs of 12 s and
 * authorities of 60 s take turns.
 */

const probes = Object.values(inject('probes'))
const caSeconds = 60
let stand: Stand

beforeAll(async () => {
  stand = await openStand({ server: ['ca:', `  ttl: ${caSeconds}s`, 'x509_svid_ttl: 12s'] })
  await stand.register(probes)
})

afterAll(async () => stand.close())

interface Server {
  readonly language: string
  readonly address: string
  readonly running: RunningProbe
}

interface Client {
  readonly language: string
  readonly running: RunningProbe
}

async function startServer(probe: Probe): Promise<Server> {
  const running = startProbe(probe, stand.socket, 'serve')
  const { listening } = await running.next<{ listening: string }>()
  return { language: probe.language, address: listening, running }
}

async function startClient(probe: Probe): Promise<Client> {
  const running = startProbe(probe, stand.socket, 'dial')
  await running.next()
  return { language: probe.language, running }
}

interface Round {
  readonly client: string
  readonly server: string
  readonly failure: string | undefined
}

async function shake(client: Client, server: Server): Promise<Round> {
  client.running.send(`${server.address} ${idOf(server.language)}`)
  const said = await client.running.next<Dialled>()
  const good = said.peer === idOf(server.language) && said.seenAs === idOf(client.language)
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
async function x509Authorities(): Promise<readonly string[]> {
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

test('every language trusts every other over a rotation of the CA, without one failed handshake', async () => {
  const servers = await Promise.all(probes.map(startServer))
  const clients = await Promise.all(probes.map(startClient))
  const before = await x509Authorities()
  const rounds: Round[] = []
  const untilRotated = async (): Promise<void> => {
    for (;;) {
      const turns = await Promise.all(clients.map((client) => turn(client, servers)))
      rounds.push(...turns.flat())
      const now = await x509Authorities()
      if (before.every((one) => !now.includes(one))) return
    }
  }
  await untilRotated()
  for (const { running } of [...clients, ...servers]) await running.end()
  process.stderr.write(`interop: failed handshakes of all over one rotation\n${matrix(rounds)}\n`)
  expect(rounds.filter(({ failure }) => failure !== undefined)).toEqual([])
}, 240_000)

test('every client refuses a server with another ID', async () => {
  const [first] = probes
  if (first === undefined) return
  const server = await startServer(first)
  for (const client of await Promise.all(probes.map(startClient))) {
    client.running.send(`${server.address} ${idOf('somebody-else')}`)
    expect((await client.running.next<Dialled>()).error, client.language).toEqual(
      expect.any(String),
    )
    await client.running.end()
  }
  await server.running.end()
})
