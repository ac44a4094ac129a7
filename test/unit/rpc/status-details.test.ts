import { Metadata, status } from '@grpc/grpc-js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CountersignError, type ErrorCode } from '../../../src/errors.ts'
import type { ErrorInfo, ErrorInfo$Input } from '../../../src/rpc/gen/google/rpc/ErrorInfo.ts'
import type { RetryInfo, RetryInfo$Input } from '../../../src/rpc/gen/google/rpc/RetryInfo.ts'
import type { Status, Status$Input } from '../../../src/rpc/gen/google/rpc/Status.ts'
import type {
  PermissionDeniedDetails,
  PermissionDeniedDetails$Input,
} from '../../../src/rpc/gen/spire/api/types/PermissionDeniedDetails.ts'
import { messageDefinition } from '../../../src/rpc/services.ts'
import { codeWord, fromStatus, itemError, itemStatus, toStatus } from '../../../src/rpc/status.ts'

const detailsKey = 'grpc-status-details-bin'
const statusFile = 'google/rpc/status.proto'
const rpcStatus = messageDefinition<Status$Input, Status>(statusFile, 'google.rpc.Status')
const errorInfo = messageDefinition<ErrorInfo$Input, ErrorInfo>(statusFile, 'google.rpc.ErrorInfo')
const retryInfo = messageDefinition<RetryInfo$Input, RetryInfo>(statusFile, 'google.rpc.RetryInfo')
const denied = messageDefinition<PermissionDeniedDetails$Input, PermissionDeniedDetails>(
  'spire/api/types/status.proto',
  'spire.api.types.PermissionDeniedDetails',
)

const codes: Readonly<Record<ErrorCode, number>> = {
  cancelled: status.CANCELLED,
  invalid: status.INVALID_ARGUMENT,
  deadline: status.DEADLINE_EXCEEDED,
  'not-found': status.NOT_FOUND,
  exists: status.ALREADY_EXISTS,
  forbidden: status.PERMISSION_DENIED,
  exhausted: status.RESOURCE_EXHAUSTED,
  conflict: status.FAILED_PRECONDITION,
  unimplemented: status.UNIMPLEMENTED,
  internal: status.INTERNAL,
  unavailable: status.UNAVAILABLE,
  unauthenticated: status.UNAUTHENTICATED,
}
const codeRows = Object.entries(codes) as [ErrorCode, number][]

function withDetails(...bytes: readonly Buffer[]): Metadata {
  const metadata = new Metadata()
  for (const value of bytes) metadata.add(detailsKey, value)
  return metadata
}

function details(...items: readonly [type: string, value: Buffer][]): Metadata {
  return withDetails(
    rpcStatus.serialize({
      code: 5,
      message: 'another text',
      details: items.map(([type, value]) => ({ type_url: `type.googleapis.com/${type}`, value })),
    }),
  )
}

function info(reason: string, domain = 'countersign', metadata = {}): [string, Buffer] {
  return ['google.rpc.ErrorInfo', errorInfo.serialize({ reason, domain, metadata })]
}

function retry(seconds: number, nanos: number): [string, Buffer] {
  return ['google.rpc.RetryInfo', retryInfo.serialize({ retry_delay: { seconds, nanos } })]
}

function read(metadata: Metadata | undefined): CountersignError {
  return fromStatus({ code: 5, details: 'no such entry', metadata })
}

const unread = { code: 'not-found', message: 'no such entry', reason: 'rpc-not-found' }

describe('a status that leaves', () => {
  test.each(codeRows)('%s keeps code, text, reason, fix and retry hint', (code, number) => {
    const error = new CountersignError(code, 'what went wrong', {
      reason: 'some-reason',
      fix: 'do something else',
      retryAfterMs: 1500,
    })
    const sent = toStatus(error)
    expect(sent.code).toBe(number)
    expect(fromStatus(sent)).toMatchObject({
      code,
      message: 'what went wrong',
      reason: 'some-reason',
      fix: 'do something else',
      retryAfterMs: 1500,
    })
  })

  test('without a fix and a retry hint none arrives', () => {
    const read = fromStatus(toStatus(new CountersignError('exists', 'there', { reason: 'x' })))
    expect(read.fix).toBeUndefined()
    expect(read.retryAfterMs).toBeUndefined()
  })

  test('any text survives the way in a form that no terminal obeys', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2000 }), fc.nat(), (text, ms) => {
        const read = fromStatus(
          toStatus(
            new CountersignError('invalid', text, { reason: 'r', fix: text, retryAfterMs: ms }),
          ),
        )
        expect(read.reason).toBe('r')
        expect(read.message.length).toBeLessThanOrEqual(1024)
        expect(`${read.message}${read.fix ?? ''}`).not.toMatch(/[\p{Cc}\u2028\u2029]/u)
        expect(read.message.isWellFormed()).toBe(true)
        expect(read.retryAfterMs).toBe(Math.min(ms, 3_600_000))
      }),
    )
  })

  test('half of a surrogate pair and a terminal escape do not reach the peer', () => {
    const { details } = toStatus(new CountersignError('invalid', '\ud800\x1b[2J', { reason: 'r' }))
    expect(details).toBe('\ufffd [2J')
  })

  test('the details fit through the reader that they are made for', () => {
    const long = '\u{1f512}'.repeat(4000)
    const error = new CountersignError('invalid', long, { reason: 'long', fix: long })
    expect(fromStatus(toStatus(error))).toMatchObject({ reason: 'long' })
  })

  test.each([
    ['agent-expired', 'AGENT_EXPIRED', 1],
    ['agent-not-attested', 'AGENT_NOT_ATTESTED', 2],
    ['agent-not-active', 'AGENT_NOT_ACTIVE', 3],
    ['agent-banned', 'AGENT_BANNED', 4],
    ['agent-must-reattest', 'AGENT_MUST_REATTEST', 5],
  ])('%s is told to agents of other makes as %s', (reason, name, number) => {
    const { metadata } = toStatus(new CountersignError('forbidden', 'no', { reason }))
    const [bytes] = metadata.get(detailsKey)
    const sent = rpcStatus.deserialize(bytes as Buffer)
    expect(sent).toMatchObject({ code: 7, message: 'no' })
    const detail = sent.details.find(
      ({ type_url }) => type_url === 'type.googleapis.com/spire.api.types.PermissionDeniedDetails',
    )
    expect(denied.deserialize(detail?.value ?? Buffer.alloc(0)).reason).toBe(name)
    // Field 1, varint: what a decoder that knows nothing of our types sees.
    expect(detail?.value).toEqual(Buffer.of(0x08, number))
  })

  test('other refusals carry no agent state', () => {
    const { metadata } = toStatus(new CountersignError('forbidden', 'no', { reason: 'not-admin' }))
    const sent = rpcStatus.deserialize(metadata.get(detailsKey)[0] as Buffer)
    expect(sent.details.map(({ type_url }) => type_url)).toEqual([
      'type.googleapis.com/google.rpc.ErrorInfo',
    ])
  })

  test.each([
    ['an Error', new TypeError('password=hunter2', { cause: 'hunter2' })],
    ['a string', 'hunter2'],
    ['an object', { message: 'hunter2', code: 'ENOENT', details: 'hunter2', reason: 'hunter2' }],
    ['nothing', undefined],
    ['a cause', new CountersignError('internal', 'no', { reason: 'r', cause: 'hunter2' })],
  ])('%s that is not meant for the peer says nothing to it', (_, thrown) => {
    const sent = toStatus(thrown)
    expect(sent.code).toBe(status.INTERNAL)
    const [bytes] = sent.metadata.get(detailsKey)
    expect(sent.details).not.toContain('hunter2')
    expect((bytes as Buffer).toString('latin1')).not.toContain('hunter2')
    if (thrown !== undefined) {
      expect(itemStatus(thrown).code).toBe(status.INTERNAL)
      expect(itemStatus(thrown).message).not.toContain('hunter2')
    }
  })
})

describe('a status that arrives', () => {
  test.each([
    [status.UNKNOWN, 'internal'],
    [status.ABORTED, 'conflict'],
    [status.OUT_OF_RANGE, 'invalid'],
    [status.DATA_LOSS, 'internal'],
    [99, 'internal'],
    [-1, 'internal'],
    ...codeRows.map(([code, number]) => [number, code] as const),
  ] as const)('gRPC code %i without details is %s with the reason rpc-…', (number, code) => {
    expect(fromStatus({ code: number, details: 'text', metadata: new Metadata() })).toMatchObject({
      code,
      reason: `rpc-${code}`,
      message: 'text',
    })
    expect(codeWord(number)).toBe(code)
  })

  test('without a text the code stands for it', () => {
    expect(fromStatus({ code: 14, details: '' }).message).toBe('unavailable')
  })

  test('PermissionDeniedDetails of another server become our reason', () => {
    const state: [string, Buffer] = [
      'spire.api.types.PermissionDeniedDetails',
      denied.serialize({ reason: 'AGENT_BANNED' }),
    ]
    expect(read(details(state)).reason).toBe('agent-banned')
    expect(read(details(state, info('more-exact'))).reason).toBe('more-exact')
    expect(read(details(info('more-exact'), state)).reason).toBe('more-exact')
  })

  test('an ErrorInfo of another domain is not taken for ours', () => {
    expect(read(details(info('agent-banned', 'googleapis.com')))).toMatchObject(unread)
  })

  test.each([
    '',
    'Upper',
    'two words',
    'a--b',
    '-a',
    'a-',
    '\u001b[2J',
    'a'.repeat(65),
    '__proto__',
  ])('the reason %j is not a word of ours', (reason) => {
    const error = read(details(info(reason, 'countersign', { fix: 'do it' })))
    expect(error).toMatchObject(unread)
    expect(error.fix).toBeUndefined()
  })

  test.each([
    [0, 0, 0],
    [2, 500_000_000, 2500],
    [1e15, 0, 3_600_000],
    [0, 2_147_483_647, 2147.483647],
  ])('a retry hint of %i s and %i ns is %d ms', (seconds, nanos, ms) => {
    expect(read(details(retry(seconds, nanos))).retryAfterMs).toBe(ms)
  })

  test.each([
    [-1, 0],
    [0, -1],
    [-(2 ** 62), 0],
  ])('a retry hint of %i s and %i ns is none', (seconds, nanos) => {
    expect(read(details(retry(seconds, nanos))).retryAfterMs).toBeUndefined()
  })

  test('what else an ErrorInfo holds is ignored, whatever its keys are', () => {
    const metadata = JSON.parse('{"__proto__":"x","constructor":"y","fix":"do\\u001b it"}')
    const error = read(details(info('ours', 'countersign', metadata)))
    expect(error).toMatchObject({ reason: 'ours', fix: 'do  it' })
    expect(Object.getPrototypeOf(error)).toBe(CountersignError.prototype)
    expect(({} as { x?: unknown }).x).toBeUndefined()
  })

  test('hostile bytes in the details leave code and text as they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const error = read(withDetails(Buffer.from(bytes)))
        expect(error).toMatchObject({ code: 'not-found', message: 'no such entry' })
        expect(error.reason).toMatch(/^[a-z0-9-]{1,64}$/)
      }),
    )
  })

  test('hostile bytes inside a known detail leave code and text as they are', () => {
    const types = [
      'google.rpc.ErrorInfo',
      'google.rpc.RetryInfo',
      'spire.api.types.PermissionDeniedDetails',
    ]
    fc.assert(
      fc.property(fc.constantFrom(...types), fc.uint8Array({ maxLength: 100 }), (type, bytes) => {
        const error = read(details([type, Buffer.from(bytes)]))
        expect(error).toMatchObject({ code: 'not-found', message: 'no such entry' })
        expect(error.retryAfterMs ?? 0).toBeGreaterThanOrEqual(0)
        expect(error.retryAfterMs ?? 0).toBeLessThanOrEqual(3_600_000)
      }),
    )
  })

  test.each([
    ['a length beyond the end', Buffer.from('1affffffff0f', 'hex')],
    ['an unended varint', Buffer.alloc(64, 0xff)],
    ['groups nested without end', Buffer.alloc(8192, 0x0b)],
    ['no bytes', Buffer.alloc(0)],
    [
      'more than 8192 bytes',
      Buffer.concat([Buffer.of(0x12, 0x80, 0x40), Buffer.alloc(8192, 0x61)]),
    ],
  ])('%s in the details do nothing', (_, bytes) => {
    expect(read(withDetails(bytes))).toMatchObject(unread)
  })

  test('a thousand details are not read', () => {
    const many = Array.from({ length: 900 }, () => ['x', Buffer.alloc(0)] as [string, Buffer])
    expect(read(details(...many, info('late')))).toMatchObject(unread)
  })

  test('the text is made plain and cut', () => {
    expect(fromStatus({ code: 5, details: '\x1b[31mred\r\n' }).message).toBe(' [31mred  ')
    expect(fromStatus({ code: 5, details: 'x'.repeat(70_000) }).message).toHaveLength(1024)
  })
})

describe('the status of one item', () => {
  test.each(codeRows)('%s there and back', (code, number) => {
    const status = itemStatus(new CountersignError(code, 'text\n', { reason: 'r' }))
    expect(status).toEqual({ code: number, message: 'text ' })
    expect(itemError(status)).toMatchObject({ code, message: 'text ', reason: `rpc-${code}` })
    expect(itemError(status, 'entry-exists')?.reason).toBe('entry-exists')
    expect(itemError(status, 'Not A Word')?.reason).toBe(`rpc-${code}`)
  })

  test('success is no error', () => {
    expect(itemStatus(undefined)).toEqual({ code: 0, message: '' })
    expect(itemError({ code: 0, message: '' })).toBeUndefined()
    expect(codeWord(0)).toBe('ok')
  })

  test('a missing status is not success', () => {
    expect(itemError(null)).toMatchObject({ code: 'internal', reason: 'rpc-internal' })
  })
})
