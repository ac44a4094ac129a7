import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { languages } from './languages.ts'
import { type Fetched, runProbe, type Validated, type Watched } from './probe.ts'
import { idOf, openStand, type Stand, trustDomain } from './stand.ts'

const probes = inject('probes')
const audience = 'https://audience.test'
let stand: Stand
/** Where SVIDs are soon replaced, which nobody has to verify in time. */
let quick: Stand

beforeAll(async () => {
  stand = await openStand()
  quick = await openStand({ server: ['x509_svid_ttl: 20s'] })
  for (const one of [stand, quick]) await one.register(Object.values(probes))
})

afterAll(async () => {
  await quick?.close()
  await stand?.close()
})

describe.for(languages.map(({ name, library }) => ({ name, library })))(
  '$name: $library',
  { concurrent: true },
  ({ name }) => {
    const probe = probes[name]

    test.skipIf(probe === undefined)(
      'fetches X.509-SVID, JWT-SVID and bundles, and verifies them from its source objects',
      async () => {
        if (probe === undefined) return
        const [fetched] = await runProbe<Fetched>(probe, stand.socket, 'fetch', [audience])
        expect(fetched).toMatchObject({
          id: idOf(name),
          roots: { [trustDomain]: 1 },
          keys: { [trustDomain]: 1 },
          jwtId: idOf(name),
          sourced: { id: idOf(name), jwtId: idOf(name) },
        })
      },
    )

    test.skipIf(probe === undefined)(
      'sees each new SVID of its stream, and only new ones',
      async () => {
        if (probe === undefined) return
        const updates = await runProbe<Watched>(probe, quick.socket, 'watch', ['3'])
        expect(updates.map(({ id, roots }) => [id, roots])).toEqual(Array(3).fill([idOf(name), 1]))
        expect(new Set(updates.map(({ serial }) => serial)).size).toBe(3)
      },
    )

    test.skipIf(probe === undefined)(
      'takes the JWT-SVIDs of every language, by itself and by the agent, and none that is wrong',
      async () => {
        if (probe === undefined) return
        const fetched = await Promise.all(
          Object.values(probes).map(
            async (one) => (await runProbe<Fetched>(one, stand.socket, 'fetch', [audience]))[0],
          ),
        )
        const good = fetched.map((one) => one?.token ?? '')
        const [first = ''] = good
        const bad = [`${first.slice(0, -8)}AAAAAAAA`, unsigned(first)]
        const answers = await runProbe<Validated>(
          probe,
          stand.socket,
          'validate',
          [audience],
          [...good, ...bad],
        )
        const ids = Object.keys(probes).map((name) => idOf(name))
        expect(answers.slice(0, good.length)).toEqual(
          ids.map((id) => ({ byAgent: id, byLibrary: id })),
        )
        for (const answer of answers.slice(good.length)) expectRefused(answer)
        expect(answers).toHaveLength(good.length + bad.length)
        const [elsewhere] = await runProbe<Validated>(
          probe,
          stand.socket,
          'validate',
          ['https://elsewhere.test'],
          [first],
        )
        expectRefused(elsewhere)
      },
    )
  },
)

function expectRefused(answer: Validated | undefined): void {
  expect(answer).toEqual({
    agentRefused: expect.any(String),
    libraryRefused: expect.any(String),
  })
}

/** The same claims under `alg: none`. */
function unsigned(token: string): string {
  const [, claims] = token.split('.')
  return `${Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')}.${claims}.`
}
