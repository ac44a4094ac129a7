import { rmSync } from 'node:fs'
import { expect, onTestFinished, test } from 'vitest'
import type { CountersignError } from '../../src/errors.ts'
import { type Log, silentLog } from '../../src/runtime/log.ts'
import { startAgent } from '../support/running-agent.ts'
import { startServer } from '../support/running-server.ts'

test('T26 an agent that was away while all that it trusts was revoked stays outside, says what to do, and can join anew', async () => {
  const server = await startServer()
  onTestFinished(() => server.remove())
  const before = await startAgent(server)
  await before.stop()
  const authority = server.admin('spire.api.server.localauthority.v1.LocalAuthority')
  const { active } = await authority.unary('GetX509AuthorityState', {})
  const { prepared_authority } = await authority.unary('PrepareX509Authority', {})
  await authority.unary('ActivateX509Authority', {
    authority_id: prepared_authority?.authority_id ?? '',
  })
  const old = { authority_id: active?.authority_id ?? '' }
  await authority.unary('TaintX509Authority', old)
  await authority.unary('RevokeX509Authority', old)

  const refused = Promise.withResolvers<CountersignError>()
  const log: Log = {
    ...silentLog,
    warn(message, fields) {
      if (message === 'lost the server') refused.resolve(fields?.['error'] as CountersignError)
    },
  }
  const back = await startAgent(server, {
    log,
    waitUntilReady: false,
    token: () => Promise.reject(new Error('a token is for a server that is known')),
  })
  expect(await refused.promise).toMatchObject({
    reason: 'svid-chain-unknown-authority',
    fix: expect.stringContaining('data_dir'),
  })
  await back.stop()

  rmSync(back.config.dataDir, { recursive: true })
  const anew = await startAgent(server)
  await anew.stop()
})
