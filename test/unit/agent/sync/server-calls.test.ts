import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { issueJwt, postStatus, signBatch } from '../../../../agent/sync/server-calls.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { jwtSvidToWire, x509SvidToWire } from '../../../../src/rpc/convert.ts'
import { dialUnix } from '../../../../src/rpc/dial.ts'
import type { BatchNewX509SVIDRequest } from '../../../../src/rpc/gen/spire/api/server/svid/v1/BatchNewX509SVIDRequest.ts'
import type { NewJWTSVIDRequest } from '../../../../src/rpc/gen/spire/api/server/svid/v1/NewJWTSVIDRequest.ts'
import { type RpcHandler, unary } from '../../../../src/rpc/handler.ts'
import { serviceDefinition } from '../../../../src/rpc/services.ts'
import { itemStatus } from '../../../../src/rpc/status.ts'
import { reasonOfAsync } from '../../../support/x509-fixtures.ts'
import { serve, type TestPeer } from '../../rpc/harness.ts'
import { entryOf, start } from '../cache/fixture.ts'

const never = new AbortController().signal
const { spiffeId } = entryOf('/web', ['unix:uid:1'])

async function channelTo(handlers: Record<string, RpcHandler<TestPeer>>) {
  const { server, dial } = await serve()
  server.addService(serviceDefinition('spire.api.server.svid.v1.SVID'), handlers)
  const channel = dial()
  return () => channel
}

describe('over the wire', () => {
  test('each request of a batch has its own answer, in order', async () => {
    const channel = await channelTo({
      BatchNewX509SVID: unary(({ params }: BatchNewX509SVIDRequest) => ({
        results: params.map(({ entry_id, csr }) =>
          entry_id === 'bad'
            ? { status: itemStatus(new CountersignError('not-found', 'no', { reason: 'x' })) }
            : {
                status: itemStatus(undefined),
                svid: x509SvidToWire({ spiffeId, chain: [csr, Buffer.of(9)], expiresAt: start }),
              },
        ),
      })),
    })
    const requests = ['a', 'bad', 'b'].map((entryId, at) => ({ entryId, csr: Buffer.of(at) }))
    const [a, bad, b] = await signBatch(channel)(requests, never)
    expect([a, b]).toEqual([
      [Buffer.of(0), Buffer.of(9)],
      [Buffer.of(2), Buffer.of(9)],
    ])
    expect(bad).toMatchObject({ code: 'not-found', reason: 'svid-refused' })
  })

  test('a batch that fails as a whole throws what the server says', async () => {
    const channel = await channelTo({
      BatchNewX509SVID: unary(() => {
        throw new CountersignError('exhausted', 'slow down', {
          reason: 'rate-limit',
          retryAfterMs: 1500,
        })
      }),
    })
    await expect(signBatch(channel)([], never)).rejects.toMatchObject({
      code: 'exhausted',
      reason: 'rate-limit',
      retryAfterMs: 1500,
    })
  })

  test('a token comes as it is, for the entry and the audiences that were named', async () => {
    const channel = await channelTo({
      NewJWTSVID: unary(({ entry_id, audience }: NewJWTSVIDRequest) => ({
        svid: jwtSvidToWire({
          token: [entry_id, ...audience].join(' '),
          spiffeId,
          expiresAt: start,
          issuedAt: start,
        }),
      })),
    })
    expect(await issueJwt(channel)('e', ['x', 'y'], never)).toBe('e x y')
  })

  test('an answer without a token is none', async () => {
    const channel = await channelTo({ NewJWTSVID: unary(() => ({})) })
    expect(await reasonOfAsync(() => issueJwt(channel)('e', ['x'], never))).toBe('jwt-missing')
  })

  test('a workload is told that it is the server that does not answer, and not its agent', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-calls-'))
    const gone = dialUnix(join(folder, 'gone.sock'))
    onTestFinished(() => {
      gone.close()
      rmSync(folder, { recursive: true })
    })
    await expect(issueJwt(() => gone)('e', ['x'], never)).rejects.toMatchObject({
      code: 'unavailable',
      reason: 'server-unreachable',
      fix: expect.stringContaining('see that the server runs'),
    })
    const channel = await channelTo({
      NewJWTSVID: unary(() => {
        throw new CountersignError('unavailable', 'not now', { reason: 'audit-unavailable' })
      }),
    })
    await expect(issueJwt(channel)('e', ['x'], never)).rejects.toMatchObject({
      reason: 'audit-unavailable',
    })
  })

  test('a server that does not take the version says so', async () => {
    const channel = await channelTo({})
    await expect(postStatus(channel, '1.0.0', never)).rejects.toMatchObject({
      code: 'unimplemented',
    })
  })
})
