import { afterAll, beforeAll, expect, test } from 'vitest'
import { runHere } from '../support/command.ts'
import { type RunningServer, someAgent, startServer, wireEntry } from '../support/running-server.ts'

let server: RunningServer

beforeAll(async () => {
  server = await startServer()
})

afterAll(() => server.remove())

/** An entry with these fields, and a way to update it by the command line. */
async function entryWith(path: string, fields: Record<string, unknown>) {
  const { results } = await server
    .admin('spire.api.server.entry.v1.Entry')
    .unary('BatchCreateEntry', { entries: [wireEntry({ path, parent: someAgent, ...fields })] })
  const id = results[0]?.entry?.id ?? ''
  return async (...flags: string[]): Promise<Record<string, unknown>> => {
    const admin = ['--admin-socket', server.config.adminSocket, '-o', 'json']
    const { code, stdout, stderr } = await runHere([
      'entry',
      'update',
      '--id',
      id,
      ...flags,
      ...admin,
    ])
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^(warning: .*\n)*$/)])
    return JSON.parse(stdout) as Record<string, unknown>
  }
}

test('an update leaves what it does not name as it is, also where two flags share a mask on the wire', async () => {
  const update = await entryWith('/web', {
    additional_attributes: { disable_x509_svid_prefetch: true },
  })
  const both = { disableX509SvidPrefetch: true, jwtSvidIncludeJti: true }
  expect(await update('--hint', 'x')).toMatchObject({ ...both, jwtSvidIncludeJti: false })
  expect(await update('--jti')).toMatchObject(both)
  expect(await update('--no-prefetch')).toMatchObject(both)
  expect(await update('--owner', 'web-team')).toMatchObject({ ...both, hint: 'x' })
  expect(await update('--prefetch')).toMatchObject({ ...both, disableX509SvidPrefetch: false })
})

test('what is good once has an id, until both are taken back', async () => {
  const update = await entryWith('/once', {})
  const both = { jwtSvidSingleUse: true, jwtSvidIncludeJti: true }
  expect(await update('--single-use')).toMatchObject(both)
  expect(await update('--hint', 'x')).toMatchObject(both)
  expect(await update('--no-jti')).toMatchObject(both)
  expect(await update('--no-single-use', '--no-jti')).toMatchObject({
    jwtSvidSingleUse: false,
    jwtSvidIncludeJti: false,
  })
})

test('what an entry may do can be taken back', async () => {
  const update = await entryWith('/ops', { admin: true, downstream: true })
  expect(await update('--no-admin')).toMatchObject({ admin: false, downstream: true })
  expect(await update('--no-downstream', '--expires', '1h')).toMatchObject({
    downstream: false,
    expiresAt: expect.any(String),
  })
  expect(await update('--expires', 'never')).toMatchObject({ expiresAt: null })
})
