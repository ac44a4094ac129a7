import { Metadata } from '@grpc/grpc-js'
import { asCountersignError, CountersignError, type ErrorCode } from '../errors.ts'
import type { ErrorInfo, ErrorInfo$Input } from './gen/google/rpc/ErrorInfo.ts'
import type { RetryInfo, RetryInfo$Input } from './gen/google/rpc/RetryInfo.ts'
import type { Status, Status$Input } from './gen/google/rpc/Status.ts'
import type {
  _spire_api_types_PermissionDeniedDetails_Reason as DeniedReason,
  PermissionDeniedDetails,
  PermissionDeniedDetails$Input,
} from './gen/spire/api/types/PermissionDeniedDetails.ts'
import { messageDefinition } from './services.ts'

/** What ends a call on the wire. */
export interface RpcStatus {
  readonly code: number
  readonly details: string
  readonly metadata?: Metadata
}

const okCode = 0
const unknownCode = 2

const codes = {
  cancelled: 1,
  invalid: 3,
  deadline: 4,
  'not-found': 5,
  exists: 6,
  forbidden: 7,
  exhausted: 8,
  conflict: 9,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const satisfies Record<ErrorCode, number>

const errorCodes: ReadonlyMap<number, ErrorCode> = new Map<number, ErrorCode>([
  ...Object.entries(codes).map(([code, number]) => [number, code as ErrorCode] as const),
  [unknownCode, 'internal'],
  [10, 'conflict'], // ABORTED
  [11, 'invalid'], // OUT_OF_RANGE
  [15, 'internal'], // DATA_LOSS
])

/** Agent states that SPIRE's agents act on; the words are ours, the values SPIRE's. */
const deniedReasons: ReadonlyMap<string, DeniedReason> = new Map([
  ['agent-expired', 'AGENT_EXPIRED'],
  ['agent-not-attested', 'AGENT_NOT_ATTESTED'],
  ['agent-not-active', 'AGENT_NOT_ACTIVE'],
  ['agent-banned', 'AGENT_BANNED'],
  ['agent-must-reattest', 'AGENT_MUST_REATTEST'],
])

const detailsKey = 'grpc-status-details-bin'
const domain = 'countersign'
const fixKey = 'fix'
const maxDetailsBytes = 8192
const maxMessageLength = 1024
const maxFixLength = 512
const maxRetryAfterMs = 3_600_000

const types = {
  errorInfo: 'google.rpc.ErrorInfo',
  retryInfo: 'google.rpc.RetryInfo',
  denied: 'spire.api.types.PermissionDeniedDetails',
} as const

const statusFile = 'google/rpc/status.proto'
const rpcStatus = () => messageDefinition<Status$Input, Status>(statusFile, 'google.rpc.Status')
const errorInfo = () =>
  messageDefinition<ErrorInfo$Input, ErrorInfo>(statusFile, 'google.rpc.ErrorInfo')
const retryInfo = () =>
  messageDefinition<RetryInfo$Input, RetryInfo>(statusFile, 'google.rpc.RetryInfo')
const denied = () =>
  messageDefinition<PermissionDeniedDetails$Input, PermissionDeniedDetails>(
    'spire/api/types/status.proto',
    'spire.api.types.PermissionDeniedDetails',
  )

/** Text that no encoder chokes on (a lone surrogate throws) and no terminal obeys, bounded. */
function plainText(text: string, maxLength: number): string {
  return text
    .slice(0, maxLength)
    .toWellFormed()
    .replace(/[\p{Cc}\u2028\u2029]/gu, ' ')
}

function any(type: string, value: Buffer): { type_url: string; value: Buffer } {
  return { type_url: `type.googleapis.com/${type}`, value }
}

function writeDetails(error: CountersignError, code: number, message: string): Buffer {
  const { reason, fix, retryAfterMs } = error
  const metadata: Record<string, string> = {}
  if (fix !== undefined) metadata[fixKey] = plainText(fix, maxFixLength)
  const details = [
    any(types.errorInfo, errorInfo().serialize({ reason, domain, metadata })),
    ...(retryAfterMs === undefined ? [] : [any(types.retryInfo, writeRetryInfo(retryAfterMs))]),
  ]
  const deniedReason = deniedReasons.get(reason)
  if (deniedReason !== undefined) {
    details.push(any(types.denied, denied().serialize({ reason: deniedReason })))
  }
  return rpcStatus().serialize({ code, message, details })
}

function writeRetryInfo(retryAfterMs: number): Buffer {
  const ms = Math.min(Math.max(Math.ceil(retryAfterMs), 0), maxRetryAfterMs)
  return retryInfo().serialize({
    retry_delay: { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 },
  })
}

/**
 * The status that ends a call. Reason, fix and retry hint travel as `google.rpc` details in the
 * trailers. What is not a `CountersignError` becomes INTERNAL and says nothing of itself.
 */
export function toStatus(error: unknown): Required<RpcStatus> {
  const known = asCountersignError(error)
  const code = codes[known.code]
  const details = plainText(known.message, maxMessageLength)
  const metadata = new Metadata()
  metadata.set(detailsKey, writeDetails(known, code, details))
  return { code, details, metadata }
}

/** The `spire.api.types.Status` of one item in a batch; `undefined` is success. */
export function itemStatus(error: unknown): { code: number; message: string } {
  if (error === undefined) return { code: okCode, message: '' }
  const known = asCountersignError(error)
  return { code: codes[known.code], message: plainText(known.message, maxMessageLength) }
}

/** The other way round: `undefined` where the item's status is OK. */
export function itemError(
  status: { readonly code: number; readonly message: string } | null,
  reason?: string,
): CountersignError | undefined {
  if (status !== null && status.code === okCode) return undefined
  const code = errorCodes.get(status?.code ?? unknownCode) ?? 'internal'
  return new CountersignError(code, plainText(status?.message ?? '', maxMessageLength) || code, {
    reason: knownReason(reason) ?? `rpc-${code}`,
  })
}

/** The word for a status code that metrics count by: `ok` or an error code. */
export function codeWord(code: number): 'ok' | ErrorCode {
  return code === okCode ? 'ok' : (errorCodes.get(code) ?? 'internal')
}

interface ReadDetails {
  reason?: string
  fix?: string
  retryAfterMs?: number
}

function knownReason(word: string | undefined): string | undefined {
  return word !== undefined && /^[a-z0-9]+(-[a-z0-9]+)*$/.test(word) && word.length <= 64
    ? word
    : undefined
}

function readDetails(metadata: Metadata | undefined): ReadDetails {
  const bytes = metadata?.get(detailsKey)[0]
  const read: ReadDetails = {}
  if (!Buffer.isBuffer(bytes) || bytes.length > maxDetailsBytes) return read
  try {
    for (const { type_url, value } of rpcStatus().deserialize(bytes).details.slice(0, 8)) {
      readDetail(type_url.slice(type_url.lastIndexOf('/') + 1), value, read)
    }
  } catch {
    // A peer's details are a courtesy: what cannot be read leaves code and message as they are.
  }
  return read
}

function readDetail(type: string, value: Buffer, read: ReadDetails): void {
  if (type === types.errorInfo) {
    const info = errorInfo().deserialize(value)
    const reason = knownReason(info.reason)
    if (info.domain !== domain || reason === undefined) return
    read.reason = reason
    const fix = info.metadata[fixKey]
    if (fix !== undefined && fix !== '') read.fix = plainText(fix, maxFixLength)
  } else if (type === types.retryInfo) {
    const delay = retryInfo().deserialize(value).retry_delay
    const ms = Number(delay?.seconds ?? 0) * 1000 + (delay?.nanos ?? 0) / 1_000_000
    if (ms >= 0) read.retryAfterMs = Math.min(ms, maxRetryAfterMs)
  } else if (type === types.denied) {
    const given = denied().deserialize(value).reason
    for (const [reason, name] of deniedReasons) {
      if (name === given) read.reason ??= reason
    }
  }
}

/**
 * A failed call as one of our errors: reason, fix and retry hint from the details where the peer
 * sent some, otherwise the reason is `rpc-<code>`.
 */
export function fromStatus(error: {
  readonly code: number
  /** grpc-js gives none for a message that is marked as compressed where nothing is. */
  readonly details: string | undefined
  readonly metadata?: Metadata | undefined
}): CountersignError {
  const code = errorCodes.get(error.code) ?? 'internal'
  const { reason, fix, retryAfterMs } = readDetails(error.metadata)
  return new CountersignError(code, plainText(error.details ?? '', maxMessageLength) || code, {
    reason: reason ?? `rpc-${code}`,
    fix,
    retryAfterMs,
  })
}
