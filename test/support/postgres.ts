import { spawn, spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { delimiter, join } from 'node:path'
import { Client } from 'pg'

/** A PostgreSQL of this process's own, on a Unix socket in a folder that goes with it. */
export interface RunningPostgres extends AsyncDisposable {
  /** Folder of the socket: what `pg` takes for a host. */
  readonly host: string
  readonly user: string
  /** A database that nobody else has: empty, or as the one before has given it back. */
  takeDatabase(): Promise<PostgresDatabase>
}

export interface PostgresDatabase {
  /** What `pg` takes for an address. */
  readonly at: { readonly host: string; readonly user: string; readonly database: string }
  execute(statements: string): Promise<void>
  /** For whoever takes one next: making one is what takes longest. */
  giveBack(): void
}

const user = 'countersign'
const packaged = '/usr/lib/postgresql'

/** The folder of its programs; Debian keeps them off the PATH. Undefined: there is none. */
function findPrograms(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  try {
    const versions = readdirSync(packaged).sort((a, b) => Number(b) - Number(a))
    folders.unshift(...versions.map((version) => join(packaged, version, 'bin')))
  } catch {
    // Not Debian.
  }
  return folders.find((folder) =>
    ['postgres', 'initdb'].every((program) => existsSync(join(folder, program))),
  )
}

/** Undefined where the machine has none. */
export async function startPostgres(): Promise<RunningPostgres | undefined> {
  const programs = findPrograms()
  if (programs === undefined) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'pg-'))
  // It refuses to run as root.
  const owner = userInfo().uid === 0 ? { uid: 65534, gid: 65534 } : {}
  if (owner.uid !== undefined) chownSync(folder, owner.uid, owner.gid)
  const data = join(folder, 'data')
  const options = { ...owner, cwd: folder } as const
  const made = spawnSync(
    join(programs, 'initdb'),
    // An order of texts that is not that of their bytes, as databases have it that were not made for us.
    [
      ...['-D', data, '-U', user, '-A', 'trust', '--no-sync', '-E', 'UTF8', '--locale', 'C.UTF-8'],
      ...['--locale-provider', 'icu', '--icu-locale', 'en'],
    ],
    { ...options, encoding: 'utf8' },
  )
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`)
  const server = spawn(
    join(programs, 'postgres'),
    [
      ...['-D', data, '-k', folder, '-c', 'listen_addresses='],
      // Nothing here outlives the test.
      ...['-c', 'fsync=off', '-c', 'full_page_writes=off', '-c', 'synchronous_commit=off'],
      ...['-c', 'jit=off', '-c', 'autovacuum=off'],
    ],
    { ...options, stdio: 'ignore' },
  )
  const killer = (): void => void server.kill('SIGQUIT')
  process.once('exit', killer)
  const ended = new Promise((resolve) => server.once('close', resolve))
  const admin = await connectSoon({ host: folder, user, database: 'postgres' })
  const free: string[] = []
  let count = 0
  const create = async (): Promise<string> => {
    count += 1
    await admin.query(`create database d${count}`)
    return `d${count}`
  }
  return {
    host: folder,
    user,
    async takeDatabase() {
      const database = free.pop() ?? (await create())
      const at = { host: folder, user, database }
      const execute = async (statements: string): Promise<void> => {
        const client = new Client(at)
        await client.connect()
        try {
          await client.query(statements)
        } finally {
          await client.end()
        }
      }
      return {
        at,
        execute,
        giveBack: () => void free.push(database),
      }
    },
    async [Symbol.asyncDispose]() {
      await admin.end()
      server.kill('SIGINT')
      await ended
      process.off('exit', killer)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function connectSoon(options: {
  readonly host: string
  readonly user: string
  readonly database: string
}): Promise<Client> {
  for (let left = 300; ; left -= 1) {
    const client = new Client(options)
    try {
      await client.connect()
      return client
    } catch (error) {
      if (left === 0) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}
