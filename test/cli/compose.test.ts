import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { agentSettings } from '../../agent/config.ts'
import { serverSettings } from '../../server/config.ts'
import { run } from '../support/command.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

interface Service {
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly volumes: readonly string[]
  readonly secrets?: readonly string[]
  readonly depends_on?: readonly string[] | Readonly<Record<string, unknown>>
  readonly healthcheck?: { readonly test: readonly string[] }
}

const compose = parse(readFileSync(`${root}/docker-compose.yml`, 'utf8')) as {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, unknown>>
  readonly secrets: Readonly<Record<string, unknown>>
}
const services = Object.entries(compose.services)

test('what a service of docker-compose.yml mounts, reads and waits for is there', () => {
  for (const [name, service] of services) {
    for (const mount of service.volumes) {
      expect(Object.keys(compose.volumes), name).toContain(mount.split(':')[0])
    }
    for (const secret of service.secrets ?? []) {
      expect(Object.keys(compose.secrets), name).toContain(secret)
    }
    const before = service.depends_on ?? []
    for (const other of Array.isArray(before) ? before : Object.keys(before)) {
      expect(Object.keys(compose.services), name).toContain(other)
    }
  }
})

test.each(services)(
  'the service %s has settings and a command that are valid',
  async (name, service) => {
    const known: readonly string[] = [
      ...Object.values(agentSettings),
      ...Object.values(serverSettings),
      'SPIFFE_ENDPOINT_SOCKET',
    ]
    for (const variable of Object.keys(service.environment)) expect(known).toContain(variable)
    // `${NAME:-default}` as it is where nothing is set.
    const env = Object.fromEntries(
      Object.entries(service.environment).map(([variable, value]) => [
        variable,
        String(value).replace(/\$\{\w+:-([^}]*)\}/, '$1'),
      ]),
    )
    const check = service.command.includes('run') ? '--check-config' : '--help'
    const done = await run([...service.command, check], { env })
    expect(done, name).toMatchObject({ code: 0 })
    if (service.healthcheck !== undefined) {
      const [kind, program, file, ...verb] = service.healthcheck.test
      expect([kind, program, file]).toEqual(['CMD', 'node', '/app/bin/countersign.mjs'])
      expect(await run([...verb, '--help'])).toMatchObject({ code: 0 })
    }
  },
)

const tool = [['docker', 'compose'], ['docker-compose']].find(
  ([program = '', ...args]) => spawnSync(program, [...args, 'version']).status === 0,
)

test.skipIf(tool === undefined)('Docker Compose takes the file', () => {
  const [program = '', ...args] = tool ?? []
  const done = spawnSync(program, [...args, 'config', '-q'], { cwd: root, encoding: 'utf8' })
  expect(done.stderr).toBe('')
  expect(done.status).toBe(0)
})
