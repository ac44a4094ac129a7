import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { run, start } from '../support/command.ts'
import { freePort } from '../support/free-port.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'cs-built-'))
const app = join(folder, 'app')
const program = join(app, 'bin', 'countersign.mjs')
/** Two processes have to start for an answer. */
const startMs = 100_000

/** Puts into a folder of its own what the Dockerfile puts into the image, and no more. */
beforeAll(() => {
  execFileSync(process.execPath, ['scripts/build.mjs', join(folder, 'dist')], { cwd: root })
  const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8')
  const image = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '))
  for (const [, from = '', to = ''] of image.matchAll(
    /^COPY (?:--from=build \/app\/)?(\S+) (\S+)$/gm,
  )) {
    const found = from === 'dist' ? [join(folder, 'dist')] : globSync(join(root, from))
    expect(found, from).not.toEqual([])
    for (const path of found) {
      cpSync(path, to.endsWith('/') ? join(app, to, basename(path)) : join(app, to), {
        recursive: true,
      })
    }
  }
}, startMs)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test(
  'what the image holds runs a server and an agent, hands out SVIDs, and stops in good order',
  async () => {
    const port = await freePort()
    const data = join(folder, 'data')
    const admin = {
      program,
      env: { COUNTERSIGN_ADMIN_SOCKET: join(data, 'server/admin/api.sock') },
    }
    const socket = join(data, 'agent/public/api.sock')
    const workload = { program, env: { SPIFFE_ENDPOINT_SOCKET: `unix://${socket}` } }

    const server = start(
      [
        ...['server', 'run', '--trust-domain', 'example.org', '--data-dir', join(data, 'server')],
        ...['--bind-address', `127.0.0.1:${port}`, '--http-address', 'false'],
      ],
      { program },
    )
    const healthy = async (verb: string, options: typeof admin | typeof workload) =>
      (await run([verb, 'health'], options)).code === 0
    try {
      await expect.poll(() => healthy('server', admin), { timeout: startMs }).toBe(true)
      const { token, trustCaSha256 } = JSON.parse(
        (await run(['token', 'create', '-o', 'json'], admin)).stdout,
      ) as { token: string; trustCaSha256: string[] }
      const agent = start(
        [
          ...['agent', 'run', '--trust-domain', 'example.org', '--data-dir', join(data, 'agent')],
          ...['--server-address', `127.0.0.1:${port}`, '--join-token-file', '-'],
          ...['--trust-ca-sha256', trustCaSha256.join(',')],
        ],
        { program },
      )
      agent.stdin?.end(`${token}\n`)
      try {
        await expect.poll(() => healthy('agent', workload), { timeout: startMs }).toBe(true)
        const [{ id } = { id: '' }] = JSON.parse(
          (await run(['agent', 'list', '-o', 'json'], admin)).stdout,
        ) as { id: string }[]
        await run(
          [
            ...['entry', 'create', '--parent-id', id, '--spiffe-id', 'spiffe://example.org/w'],
            ...['--selector', `unix:uid:${process.getuid?.()}`, '--wait'],
          ],
          admin,
        )
        expect((await run(['fetch', 'x509'], workload)).stdout).toContain('spiffe://example.org/w')
        const jwt = await run(['fetch', 'jwt', '--audience', 'a'], workload)
        expect(jwt.stdout).toContain('spiffe://example.org/w')
      } finally {
        expect(await ended(agent)).toBe(0)
      }
    } finally {
      expect(await ended(server)).toBe(0)
    }
    expect(existsSync(socket)).toBe(false)
  },
  4 * startMs,
)

function ended(child: ReturnType<typeof start>): Promise<number | null> {
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve))
  child.kill('SIGTERM')
  return closed
}
