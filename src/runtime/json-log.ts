import winston from 'winston'
import { CountersignError } from '../errors.ts'
import type { Fields, LevelSwitch, Log, LogLevel } from './log.ts'

/** From the most urgent down. */
const levels: readonly LogLevel[] = ['error', 'warn', 'info', 'debug']

export function createLevelSwitch(launch: LogLevel): LevelSwitch {
  let current = launch
  return {
    launch,
    get current() {
      return current
    },
    set(level) {
      current = level
    },
  }
}

const maxStringLength = 4096
const maxDepth = 4
/** Backstop behind `Secret`: fields of these names are never printed. */
const secretName = /token|password|secret|private|authorization/i

function printable(value: unknown, depth: number): unknown {
  if (typeof value === 'string') {
    return value.length > maxStringLength ? `${value.slice(0, maxStringLength)}…` : value
  }
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Error) return describeError(value)
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Uint8Array) return `[${value.length} bytes]`
  if (value === null || typeof value !== 'object') return value
  if ('toJSON' in value && typeof value.toJSON === 'function') return value.toJSON()
  if (depth >= maxDepth) return '[deep]'
  if (Array.isArray(value)) return value.slice(0, 100).map((item) => printable(item, depth + 1))
  return printableFields(Object.entries(value), depth + 1)
}

function printableFields(entries: readonly [string, unknown][], depth: number): Fields {
  const fields: Record<string, unknown> = Object.create(null)
  for (const [name, value] of entries) {
    fields[name] = secretName.test(name) ? '[secret]' : printable(value, depth)
  }
  return fields
}

/** What has a reason of ours was foreseen: there the stack of what lies beneath tells nothing more. */
function describeError(error: Error, foreseen = false): Fields {
  const ours = error instanceof CountersignError
  return {
    ...(ours
      ? { code: error.code, reason: error.reason, message: error.message, fix: error.fix }
      : { name: error.name, message: error.message, ...(!foreseen && { stack: error.stack }) }),
    ...(error.cause instanceof Error
      ? { cause: describeError(error.cause, foreseen || (ours && error.code !== 'internal')) }
      : {}),
  }
}

/** What would end a line or drive a terminal is escaped, also where JSON leaves it as it is (U+2028 …). */
function oneLine(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Writes to standard error, so that standard output stays data. */
export function createLog(options: {
  readonly level: LogLevel | LevelSwitch
  readonly component: string
  readonly stream?: NodeJS.WritableStream
}): Log {
  const stream = options.stream ?? process.stderr
  const level = typeof options.level === 'string' ? createLevelSwitch(options.level) : options.level
  const logger = winston.createLogger({
    level: 'debug',
    format: winston.format.printf((info) => {
      const { level, message, fields } = info as unknown as {
        level: string
        message: string
        fields: Fields
      }
      return oneLine(JSON.stringify({ time: new Date().toISOString(), level, message, ...fields }))
    }),
    transports: [new winston.transports.Stream({ stream })],
  })
  const at = (base: Fields): Log => {
    const write = (wanted: LogLevel) => (message: string, fields?: Fields) => {
      if (levels.indexOf(wanted) > levels.indexOf(level.current)) return
      logger.log({
        level: wanted,
        message: String(printable(message, 0)),
        fields: printableFields(Object.entries({ ...base, ...fields }), 0),
      })
    }
    return {
      debug: write('debug'),
      info: write('info'),
      warn: write('warn'),
      error: write('error'),
      child: (fields) => at({ ...base, ...fields }),
    }
  }
  return at({ component: options.component })
}
