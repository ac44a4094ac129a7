import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { checkPush } from '../../../../../server/oauth/ssf/push.ts'
import { reasonOf } from '../../../../support/reason-of.ts'

const folder = mkdtempSync(join(tmpdir(), 'cs-push-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('the authorization of a receiver is in a file that nobody else may read; that is looked at at the start', async () => {
  const path = join(folder, 'authorization')
  const check = (authorizationFile: string | undefined, webCa?: string) =>
    reasonOf(
      checkPush({
        ...{ endpoint: 'https://hook.example', authorizationFile },
        reach: { webCa, allowedNetworks: [], allowedPorts: undefined },
      }),
    )
  expect(await check(path)).toBe('federated-file')
  writeFileSync(path, 'Bearer x', { mode: 0o600 })
  expect(await check(path)).toBe('accepted')
  chmodSync(path, 0o640)
  expect(await check(path)).toBe('secret-mode')
  expect(await check(undefined)).toBe('accepted')
  expect(await check(undefined, path)).toBe('federated-file')
})
