import type { Command } from 'commander'
import { auditKinds } from '../audit/event.ts'
import type { RecordFilter } from '../audit/search.ts'
import { systemClock } from '../runtime/clock.ts'
import { parseDuration } from '../runtime/duration.ts'
import { parseInstant } from '../runtime/instant.ts'
import { nearest } from '../runtime/suggest.ts'
import { usage } from './usage.ts'

/** As the command line says it. */
export interface FilterOptions {
  readonly kind?: readonly string[]
  readonly spiffeId?: string
  readonly owner?: string
  readonly entry?: string
  readonly jti?: string
  readonly txn?: string
  readonly decision?: 'allow' | 'deny'
  readonly reason?: string
  readonly since?: Date
  readonly until?: Date
  readonly text?: string
}

/** The options that say which records are meant; all that are given must fit. */
export function withFilter(command: Command): Command {
  return command
    .option('--kind <kind>', 'such as token.issued, or token. for all of them; repeat', addTo)
    .option('--spiffe-id <id>', 'who, for whom, through whom or on which node')
    .option('--owner <name>', 'of the entry, of who asks, or of the resource')
    .option('--entry <id>', 'an entry')
    .option('--jti <jti>', 'a token, and those that were made of it')
    .option('--txn <id>', 'a transaction: a token and all its descendants')
    .option('--decision <word>', 'allow or deny', parseDecision)
    .option('--reason <word>', 'why it was denied, or done')
    .option('--since <time>', 'RFC 3339, a date (UTC), or how long ago: 1h, 7d', parseTime)
    .option('--until <time>', 'the same; not including it', parseTime)
    .option('--text <text>', 'anywhere in the record')
}

export function filterOf(options: FilterOptions): RecordFilter {
  const { kind, entry, txn, spiffeId, owner, jti, decision, reason, since, until, text } = options
  return {
    ...{ spiffeId, owner, jti, decision, reason, since, until, text },
    kinds: kind,
    entryId: entry,
    transaction: txn,
  }
}

function addTo(text: string, before: readonly string[] = []): readonly string[] {
  if (auditKinds.some((kind) => kind === text || (text.endsWith('.') && kind.startsWith(text)))) {
    return [...before, text]
  }
  const groups = auditKinds.map((kind) => kind.slice(0, kind.lastIndexOf('.') + 1))
  const near = nearest(text, text.endsWith('.') ? groups : auditKinds)
  throw usage(
    `no such kind: ${text}`,
    near === undefined
      ? 'write it as token.issued, or token. for all of them'
      : `did you mean ${near}?`,
  )
}

function parseDecision(text: string): 'allow' | 'deny' {
  if (text === 'allow' || text === 'deny') return text
  throw usage(`no such decision: ${text}`, 'use allow or deny')
}

/** `2026-06-01T12:00:00Z`, or how long ago: `7d`. Throws `invalid` / `usage`. */
export function parseTime(text: string): Date {
  const time = /^[0-9]{1,9}[smhd]$/.test(text)
    ? new Date(systemClock.now().getTime() - parseDuration(text) * 1000)
    : parseInstant(text)
  if (time !== undefined) return time
  throw usage(
    `not a time: ${text}`,
    'write it as 2026-06-01T12:00:00Z, with its zone; as 2026-06-01, which begins in UTC; or as 90m or 7d',
  )
}
