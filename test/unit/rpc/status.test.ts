import { Metadata } from '@grpc/grpc-js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CountersignError, type ErrorCode } from '../../../src/errors.ts'
import type { Status, Status$Input } from '../../../src/rpc/gen/google/rpc/Status.ts'
import type {
  PermissionDeniedDetails,
  PermissionDeniedDetails$Input,
} from '../../../src/rpc/gen/spire/api/types/PermissionDeniedDetails.ts'
import { messageDefinition } from '../../../src/rpc/services.ts'
import { fromStatus, itemStatus, toStatus } from '../../../src/rpc/status.ts'

const rpcStatus = messageDefinition<Status$Input, Status>(
  'google/rpc/status.proto',
  'google.rpc.Status',
)
const denied = messageDefinition<PermissionDeniedDetails$Input, PermissionDeniedDetails>(
  'spire/api/types/status.proto',
  'spire.api.types.PermissionDeniedDetails',
)

const codes: readonly (readonly [ErrorCode, number])[] = [
  ['cancelled', 1],
  ['invalid', 3],
  ['deadline', 4],
  ['not-found', 5],
  ['exists', 6],
  ['forbidden', 7],
  ['exhausted', 8],
  ['conflict', 9],
  ['unimplemented', 12],
  ['internal', 13],
  ['unavailable', 14],
  ['unauthenticated', 16],
]

test.each(codes)('%s is code %i on the wire, and comes back', (code, number) => {
  const error = new CountersignError(code, 'a message', { reason: 'some-reason' })
  const status = toStatus(error)
  expect(status).toMatchObject({ code: number, details: 'a message' })
  expect(fromStatus(status)).toMatchObject({ code, message: 'a message', reason: 'some-reason' })
  expect(itemStatus(error)).toEqual({ code: number, message: 'a message' })
})

describe('details', () => {
  test('reason, fix and retry hint travel', () => {
    const error = new CountersignError('unavailable', 'later', {
      reason: 'store-unwritable',
      fix: 'free some space',
      retryAfterMs: 1234,
    })
    expect(fromStatus(toStatus(error))).toMatchObject({
      reason: 'store-unwritable',
      fix: 'free some space',
      retryAfterMs: 1234,
    })
  })

  test.each([
    ['agent-expired', 'AGENT_EXPIRED'],
    ['agent-not-attested', 'AGENT_NOT_ATTESTED'],
    ['agent-not-active', 'AGENT_NOT_ACTIVE'],
    ['agent-banned', 'AGENT_BANNED'],
    ['agent-must-reattest', 'AGENT_MUST_REATTEST'],
  ] as const)('%s is what SPIRE agents know as %s, both ways', (reason, name) => {
    const { metadata } = toStatus(new CountersignError('forbidden', 'no', { reason }))
    const sent = rpcStatus.deserialize(metadata.get('grpc-status-details-bin')[0] as Buffer)
    const details = sent.details.find(({ type_url }) =>
      type_url.endsWith('/spire.api.types.PermissionDeniedDetails'),
    )
    expect(denied.deserialize(details?.value ?? Buffer.alloc(0))).toEqual({ reason: name })
    const spires = new Metadata()
    const any = {
      type_url: 'type.googleapis.com/spire.api.types.PermissionDeniedDetails',
      value: denied.serialize({ reason: name }),
    }
    spires.set('grpc-status-details-bin', rpcStatus.serialize({ code: 7, details: [any] }))
    expect(fromStatus({ code: 7, details: 'no', metadata: spires })).toMatchObject({ reason })
  })

  test('what is not ours says nothing of itself', () => {
    const status = toStatus(new TypeError('password=hunter2'))
    expect(status).toMatchObject({ code: 13, details: 'internal error' })
    expect(JSON.stringify(status.metadata.toJSON())).not.toContain('hunter2')
    expect(status.metadata.get('grpc-status-details-bin').toString()).not.toContain('hunter2')
  })

  test('without details the reason is named after the code', () => {
    expect(fromStatus({ code: 14, details: '' })).toMatchObject({
      reason: 'rpc-unavailable',
      message: 'unavailable',
    })
    expect(fromStatus({ code: 2, details: 'x' }).code).toBe('internal')
    expect(fromStatus({ code: 10, details: 'x' }).code).toBe('conflict')
    expect(fromStatus({ code: 99, details: 'x' }).code).toBe('internal')
  })

  test("another domain's reason, and a word that is none, are not taken over", () => {
    for (const reason of ['Has Spaces', '', `${'x'.repeat(65)}`, 'line\nbreak']) {
      const { metadata } = toStatus(new CountersignError('invalid', 'no', { reason }))
      expect(fromStatus({ code: 3, details: 'no', metadata }).reason).toBe('rpc-invalid')
    }
  })

  test('whatever bytes a peer sends as details, there is an error to throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer(), (bytes, code) => {
        const metadata = new Metadata()
        metadata.set('grpc-status-details-bin', Buffer.from(bytes))
        expect(fromStatus({ code, details: 'no', metadata })).toBeInstanceOf(CountersignError)
      }),
    )
  })
})

test('any message is one that headers and terminals can bear', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 3000 }), (message) => {
      const { details } = toStatus(new CountersignError('invalid', message, { reason: 'x' }))
      expect(() => encodeURI(details)).not.toThrow()
      expect(details.length).toBeLessThanOrEqual(1024)
      expect(details).not.toMatch(/\p{Cc}/u)
    }),
  )
  const lone = toStatus(new CountersignError('invalid', 'a\ud800b\n', { reason: 'x' }))
  expect(lone.details).toBe('a\ufffdb ')
})

test('an item without an error is OK', () => {
  expect(itemStatus(undefined)).toEqual({ code: 0, message: '' })
})
