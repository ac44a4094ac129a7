import type { Io } from './io.ts'
import { usage } from './usage.ts'

export type OutputFormat = 'table' | 'json'

/** Throws `invalid` / `usage`. */
export function parseFormat(text: string): OutputFormat {
  if (text === 'table' || text === 'json') return text
  throw usage(`no such output format: ${text}`, 'use -o table or -o json')
}

/** A column: its heading, and what stands in it. */
export interface Column<T> {
  readonly title: string
  text(row: T): string
}

/** Rows under headings, or the same rows as one stable JSON array. */
export function printRows<T>(
  io: Io,
  format: OutputFormat,
  rows: readonly T[],
  columns: readonly Column<T>[],
  toJson: (row: T) => unknown,
): void {
  if (format === 'json') {
    printJson(io, rows.map(toJson))
    return
  }
  if (rows.length === 0) {
    io.note('none')
    return
  }
  const cells = [
    columns.map((column) => column.title),
    ...rows.map((row) => columns.map((column) => printable(column.text(row)))),
  ]
  const widths = columns.map((_, at) => Math.max(...cells.map((line) => line[at]?.length ?? 0)))
  for (const line of cells) {
    io.write(
      `${line
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd()}\n`,
    )
  }
}

/** `name  value` lines, or one JSON object. */
export function printRecord(
  io: Io,
  format: OutputFormat,
  json: unknown,
  lines: readonly (readonly [name: string, value: string])[],
): void {
  if (format === 'json') {
    printJson(io, json)
    return
  }
  writeLines(io, lines)
}

/** Several of them for people, with an empty line between. */
export function printRecords<T>(
  io: Io,
  records: readonly T[],
  linesOf: (record: T) => readonly (readonly [name: string, value: string])[],
): void {
  for (const [at, record] of records.entries()) {
    if (at > 0) io.write('\n')
    writeLines(io, linesOf(record))
  }
}

function writeLines(io: Io, lines: readonly (readonly [name: string, value: string])[]): void {
  const width = Math.max(...lines.map(([name]) => name.length))
  for (const [name, value] of lines) {
    io.write(`${name.padEnd(width)}  ${printable(value)}\n`)
  }
}

export function printJson(io: Io, value: unknown): void {
  io.write(`${safely(JSON.stringify(value, undefined, 2))}\n`)
}

/** One line of JSON, for output that goes on. */
export function printJsonLine(io: Io, value: unknown): void {
  io.write(`${safely(JSON.stringify(value))}\n`)
}

/** JSON leaves DEL, C1 controls, line separators and direction marks as they are; a terminal would act on them. */
function safely(json: string): string {
  return json.replace(/[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, escaped)
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** What others wrote into a name or a hint can neither drive the terminal nor turn a line around. */
export function printable(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not get through
    /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    escaped,
  )
}

/** `in 59m`, `3d ago`, `now`, `never`: for tables; JSON has the instant itself. */
export function relativeTime(instant: Date | undefined, now: Date): string {
  if (instant === undefined) return 'never'
  const seconds = Math.round((instant.getTime() - now.getTime()) / 1000)
  const size = Math.abs(seconds)
  if (size === 0) return 'now'
  const text =
    size < 120
      ? `${size}s`
      : size < 7200
        ? `${Math.floor(size / 60)}m`
        : size < 172_800
          ? `${Math.floor(size / 3600)}h`
          : `${Math.floor(size / 86_400)}d`
  return seconds < 0 ? `${text} ago` : `in ${text}`
}
