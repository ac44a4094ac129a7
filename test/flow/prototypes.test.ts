import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createVerifier } from 'countersign/resource-server'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadServerConfig } from '../../server/config.ts'
import {
  parseBundleDocument,
  parseJwtBundleJwks,
  writeBundleDocument,
} from '../../src/bundle/document.ts'
import { CountersignError } from '../../src/errors.ts'
import { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { spkiOf } from '../../src/x509/key.ts'
import { askDoor } from '../support/client-doors.ts'
import { type ClientWorld, identity, startClientWorld } from '../support/client-world.ts'
import { ask, issuer, orders } from '../support/oauth.ts'
import { someAgent, wireEntry } from '../support/running-server.ts'
import { bundleOf } from '../support/x509-fixtures.ts'

let world: ClientWorld
let folder: string

beforeAll(async () => {
  world = await startClientWorld()
  folder = mkdtempSync(join(tmpdir(), 'cs-'))
})

afterAll(async () => {
  await world?.stop()
  rmSync(folder, { recursive: true, force: true })
})

const members = ['"__proto__":{"polluted":1}', '"constructor":{"prototype":{"polluted":1}}']

/** The JSON text with one of those members in front of all others of one object, for each object at each depth. */
function injected(json: string): readonly string[] {
  const places = [...json.matchAll(/\{/g)].map(({ index }) => index + 1)
  return places.flatMap((at) =>
    members.map((member) => {
      const comma = json.slice(at).trimStart().startsWith('}') ? '' : ','
      return `${json.slice(0, at)}${member}${comma}${json.slice(at)}`
    }),
  )
}

function clean(): void {
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  expect(Object.keys(Object.prototype)).toEqual([])
}

/** What it reads, or that it is refused with a reason. */
async function outcome(read: () => unknown): Promise<unknown> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof CountersignError) return 'refused'
    throw error
  }
}

describe('T23 a member that names a prototype, at whatever depth, changes nothing in', () => {
  const td = TrustDomain.parse('example.org')
  const document = () => {
    const authority = { keyId: 'a', publicKey: spkiOf(world.keyOf('own')) }
    const jwtAuthorities = [{ ...authority, expiresAt: undefined, tainted: false }]
    return writeBundleDocument({ ...bundleOf('example.org', world.own), jwtAuthorities })
  }
  const accessToken = async () => {
    const asking = { port: world.port, web: world.certificate, from: '127.0.0.5' }
    const { text } = await askDoor('token', { assertion: world.assertion() }, asking)
    return (JSON.parse(text) as { access_token: string }).access_token
  }
  const configOf = (text: string) => {
    const file = join(folder, 'server.yaml')
    writeFileSync(file, text)
    return loadServerConfig({ file, env: {}, flags: {} })
  }
  const readers: readonly (readonly [
    string,
    () => Promise<readonly [string, (text: string) => unknown]>,
  ])[] = [
    ['a bundle', async () => [document(), (text) => parseBundleDocument(td, text)]],
    [
      'keys of the Workload API',
      async () => [document(), (text) => parseJwtBundleJwks(Buffer.from(text))],
    ],
    [
      'keys of an issuer',
      async () => {
        const token = await accessToken()
        const { body } = await ask(world.port, world.certificate, '/oauth/jwks')
        const verify = (text: string) =>
          createVerifier({ issuer, audience: orders, jwks: async () => text }).verify(token)
        return [body, verify]
      },
    ],
    [
      'a config',
      async () => [
        JSON.stringify({
          trust_domain: 'example.org',
          data_dir: '/d',
          rate_limits: { call: { per_second: 1, burst: 2 } },
        }),
        configOf,
      ],
    ],
    [
      'a JWT-SVID',
      async () => {
        const claims = JSON.stringify({ more: [{ a: { b: {} } }] })
        const asking = { port: world.port, web: world.certificate, from: '127.0.0.6' }
        const show = async (text: string) => {
          const more = world.assertionOf(text)
          const { status } = await askDoor('token', { assertion: more }, asking)
          return status === 401 ? 'refused' : status
        }
        return [claims, show]
      },
    ],
  ]

  test.for(readers)('%s', async ([, open]) => {
    const [json, read] = await open()
    const plain = await outcome(() => read(json))
    expect(plain).not.toBe('refused')
    const got = await Promise.all(injected(json).map((text) => outcome(() => read(text))))
    expect(got.length).toBeGreaterThanOrEqual(4)
    for (const one of got) if (one !== 'refused') expect(one).toEqual(plain)
    // A name that is a prototype's is refused at each depth, whoever would ignore it.
    expect(got.filter((_, at) => at % 2 === 0)).toEqual(
      got.filter((_, at) => at % 2 === 0).map(() => 'refused'),
    )
    clean()
  })

  test('maps of protobuf: a label of such a name is a label or refused, and its entry gets tokens as before', async () => {
    const create = async (labels: Record<string, string>) => {
      const entry = wireEntry({ path: '/web', parent: someAgent, selectors: ['unix:uid:7'] })
      const registry = world.server.admin('countersign.registry.v1.Registry')
      const { results } = await registry.unary('BatchCreate', { entries: [{ entry, labels }] })
      return results.map(({ reason, status }) => reason || status?.code)
    }
    expect(await create({ ['__proto__']: 'x' })).toEqual(['entry-labels'])
    expect(await create({ constructor: 'x', prototype: 'y' })).toEqual([0])
    await world.letInEverywhere({ identity: await identity(world.own) })
    clean()
  })

  test('queries and forms', async () => {
    const asking = { port: world.port, web: world.certificate, from: '127.0.0.7' }
    const named = [
      '__proto__',
      '__proto__[polluted]',
      'constructor[prototype][polluted]',
      'constructor',
    ]
    const values = Object.fromEntries(named.map((name) => [name, '1']))
    const wish = { grant_type: 'client_credentials', resource: orders, scope: 'orders:read' }
    const asked = { ...asking, values: { ...wish, ...values } }
    expect((await askDoor('token', { assertion: world.assertion() }, asked)).status).toBe(200)
    const query = new URLSearchParams(values).toString()
    const headers = { authorization: `Bearer ${world.assertion()}` }
    const path = `/oauth/feed/acknowledge?${query}&nonce=${'n'.repeat(22)}&head=x`
    const { status } = await ask(world.port, world.certificate, path, { method: 'POST', headers })
    // Whoever is known, and reads no feed here.
    expect(status).toBe(404)
    clean()
  })
})
