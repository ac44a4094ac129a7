import { hostname } from 'node:os'
import { readTraceparent } from '../../../src/audit/traceparent.ts'
import { version } from '../../../src/runtime/version.ts'
import type { TrailLine } from '../trail-reader.ts'

/** What of a record is an attribute too, by its path in the line. */
const attributes: Readonly<Record<string, readonly string[]>> = {
  'countersign.record.number': ['n'],
  'countersign.kind': ['kind'],
  'countersign.decision': ['decision'],
  'countersign.reason': ['reason'],
  'countersign.actor.kind': ['actor', 'kind'],
  'countersign.actor.id': ['actor', 'id'],
  'countersign.spiffe_id': ['spiffeId'],
  'countersign.entry_id': ['entryId'],
  'countersign.owner': ['owner'],
  'countersign.jti': ['jti'],
  'countersign.transaction': ['transaction'],
}

type Value = { readonly stringValue: string } | { readonly intValue: string }

/**
 * `ExportLogsServiceRequest` of OTLP 1.x in its JSON form: ids in hex, 64-bit numbers as strings. The body is the
 * line as it stands in the file, so that what has it can be held against the trail.
 */
export function otlpRequest(lines: readonly TrailLine[], chain: string): object {
  return {
    resourceLogs: [
      {
        resource: {
          attributes: [
            attribute('service.name', 'countersign'),
            attribute('service.version', version),
            attribute('service.instance.id', chain),
            attribute('host.name', hostname()),
          ],
        },
        scopeLogs: [{ scope: { name: 'countersign.audit' }, logRecords: lines.map(recordOf) }],
      },
    ],
  }
}

const maxMs = 9_223_372_036_854

function recordOf({ text }: TrailLine): object {
  const said = membersOf(text)
  const ms = Date.parse(String(said['time']))
  // 0: not known, or no time that nanoseconds in 64 bits can say.
  const nanos = ms > 0 && ms <= maxMs ? `${ms}000000` : '0'
  const denied = said['decision'] === 'deny'
  const [, traceId, spanId, flags] = (readTraceparent(String(said['trace'])) ?? '').split('-')
  return {
    timeUnixNano: nanos,
    observedTimeUnixNano: nanos,
    severityNumber: denied ? 13 : 9,
    severityText: denied ? 'WARN' : 'INFO',
    ...(said['kind'] !== undefined && { eventName: `countersign.${String(said['kind'])}` }),
    body: { stringValue: text },
    attributes: Object.entries(attributes).flatMap(([key, path]) => {
      const value = at(said, path)
      return value === undefined ? [] : [attribute(key, value)]
    }),
    ...(traceId !== undefined && { traceId, spanId, flags: Number.parseInt(flags ?? '0', 16) }),
  }
}

/**
 * None of a line that somebody, or the disk, has changed. A collector takes a batch or refuses all of it: nothing of such a
 * line is sent that is not of the form it has to have.
 */
function membersOf(text: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}

function at(said: Readonly<Record<string, unknown>>, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, name) => (value as Readonly<Record<string, unknown>> | undefined)?.[name],
    said,
  )
}

function attribute(key: string, value: unknown): { readonly key: string; readonly value: Value } {
  return {
    key,
    value: Number.isSafeInteger(value) ? { intValue: `${value}` } : { stringValue: String(value) },
  }
}
