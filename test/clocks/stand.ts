import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../../src/testing/eventually.ts'
import { runHere } from '../support/command.ts'
import { freePort } from '../support/free-port.ts'
import { type Faked, startFaked, ttlSeconds } from './faked.ts'

export interface Joined {
  readonly agent: Faked
  readonly entryId: string
}

/** A server and its agents, each with a clock of its own, and an entry for each agent. */
export interface Stand {
  readonly server: Faked
  token(): Promise<string>
  /** Starts it; it need not have joined when this resolves. */
  agent(name: string, token: string, ahead?: number): Faked
  /** Joins it, and gives it an entry, whose SVID it has by then. */
  joined(name: string): Promise<Joined>
  /** Whether an agent says that it is well. */
  isHealthy(name: string): Promise<boolean>
  /** When the server has signed the SVIDs of an entry, by its clock. */
  issued(entryId: string): readonly Date[]
  /** What the server says at /ready. */
  ready(): Promise<string>
  stop(): Promise<void>
}

export async function startStand(): Promise<Stand> {
  const folder = mkdtempSync(join(tmpdir(), 'cs-clocks-'))
  const [port, httpPort] = [await freePort(), await freePort()]
  const config = join(folder, 'server.yaml')
  const settings = {
    ...{ trust_domain: 'example.org', data_dir: join(folder, 'server') },
    ...{ bind_address: `127.0.0.1:${port}`, http_address: `127.0.0.1:${httpPort}` },
  }
  writeFileSync(config, JSON.stringify(settings))
  const server = startFaked(['server', 'run', '--config', config], {
    clock: join(folder, 'server.clock'),
  })
  const started: Faked[] = []
  const admin = ['--admin-socket', join(folder, 'server', 'admin', 'api.sock')]
  const operate = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await runHere([...args, ...admin])
    if (code !== 0) throw new Error(`${args.join(' ')}: ${stderr}`)
    return stdout
  }
  const socketOf = (name: string): string => `unix://${join(folder, name, 'public', 'api.sock')}`
  const isHealthy: Stand['isHealthy'] = async (name) => {
    return (await runHere(['agent', 'health', '--socket', socketOf(name)])).code === 0
  }
  const agent: Stand['agent'] = (name, token, ahead = 0) => {
    const file = join(folder, `${name}.token`)
    writeFileSync(file, token, { mode: 0o600 })
    const one = startFaked(
      [
        ...['agent', 'run', '--trust-domain', 'example.org', '--insecure-bootstrap'],
        ...['--server-address', `127.0.0.1:${port}`, '--data-dir', join(folder, name)],
        ...['--join-token-file', file],
      ],
      { clock: join(folder, `${name}.clock`), ahead },
    )
    started.push(one)
    return one
  }
  const token = async (): Promise<string> =>
    (JSON.parse(await operate('token', 'create', '-o', 'json')) as { token: string }).token
  const listed = async (): Promise<readonly string[]> =>
    (JSON.parse(await operate('agent', 'list', '-o', 'json')) as { id: string }[]).map(
      ({ id }) => id,
    )
  const issued: Stand['issued'] = (entryId) =>
    readFileSync(join(folder, 'server', 'audit.log'), 'utf8')
      .split('\n')
      .filter((line) => line.includes('"kind":"svid.x509.issued"') && line.includes(entryId))
      .map((line) => new Date((JSON.parse(line) as { time: string }).time))
  const isServing = async () => (await runHere(['server', 'health', ...admin])).code === 0
  await eventually(isServing, 60_000)
  return {
    ...{ server, token, agent, isHealthy, issued },
    ready: async () => (await fetch(`http://127.0.0.1:${httpPort}/ready`)).text(),
    async joined(name) {
      const before = await listed()
      const one = agent(name, await token())
      await eventually(() => isHealthy(name), 60_000).catch((cause: unknown) => {
        throw new Error(one.said(), { cause })
      })
      const [parent = ''] = (await listed()).filter((id) => !before.includes(id))
      const selector = `unix:uid:${process.getuid?.()}`
      const created = await operate(
        ...['entry', 'create', '--parent-id', parent, '--selector', selector, '-o', 'json'],
        ...['--spiffe-id', `spiffe://example.org/${name}`, '--wait'],
        ...['--x509-svid-ttl', `${ttlSeconds}s`],
      )
      const [{ id } = { id: '' }] = [JSON.parse(created)].flat() as { id: string }[]
      const hasSvid = async () =>
        (await runHere(['fetch', 'x509', '--socket', socketOf(name)])).code === 0
      await eventually(hasSvid, 60_000)
      return { agent: one, entryId: id }
    },
    async stop() {
      await Promise.all([server, ...started].map((one) => one.stop()))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
