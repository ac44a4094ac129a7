import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../src/testing/eventually.ts'
import { FakeWorkloadApi } from '../../src/testing/fake-workload-api.ts'
import { isRunning, jumps, lacksFaketime, startFaked } from './faked.ts'

const program = fileURLToPath(new URL('workload-process.ts', import.meta.url))

test.skipIf(lacksFaketime())(
  'T20 a workload whose clock jumps shows what it has, or nothing that its clock calls expired, and asks no more often',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cs-clocks-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    await Promise.all(
      jumps.map(async (seconds) => {
        const api = await FakeWorkloadApi.start()
        onTestFinished(() => api.close())
        await api.grant('spiffe://example.org/web', { ttlSeconds: 600 })
        const workload = startFaked([], {
          ...{ program, clock: join(folder, `${seconds}.clock`) },
          env: { SPIFFE_ENDPOINT_SOCKET: api.endpoint },
        })
        onTestFinished(() => workload.stop())
        const lines = () => workload.said().trim().split('\n')
        const asked = async (): Promise<unknown> => {
          const before = lines().length
          workload.child.stdin?.write('\n')
          await eventually(() => lines().length > before, 60_000)
          return JSON.parse(lines().at(-1) ?? '')
        }
        await eventually(() => lines()[0] !== '', 60_000)
        const good = { state: 'fresh', x509: 'good', jwt: 'good' }
        expect(JSON.parse(lines()[0] ?? '')).toEqual(good)
        workload.jump(seconds)
        const expired = { state: 'expired', x509: 'source-expired', jwt: 'message-jwt-svid' }
        expect([seconds, await asked()]).toEqual([
          ...[seconds, { ...good, ...(seconds > 0 && expired) }],
        ])
        workload.jump(0)
        expect(await asked()).toEqual(good)
        expect(isRunning(workload)).toBe(true)
        const calls = Object.groupBy(api.calls, ({ rpc }) => rpc)
        // A stream each, whatever the clock did; a token is asked for when it is wanted.
        expect(calls['FetchX509SVID']?.length).toBe(1)
        expect(calls['FetchJWTBundles']?.length).toBe(1)
        expect(calls['FetchJWTSVID']?.length).toBeLessThanOrEqual(3)
      }),
    )
  },
)
