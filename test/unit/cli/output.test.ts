import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { describeFailure } from '../../../src/cli/failure.ts'
import { createIo, type Io } from '../../../src/cli/io.ts'
import { printJson, printRows, relativeTime } from '../../../src/cli/output.ts'
import { refuseKeyOnTerminal } from '../../../src/cli/svid-view.ts'
import { CountersignError } from '../../../src/errors.ts'

function terminal(isTTY: boolean): { readonly io: Io; readonly shown: () => string } {
  const stdout = Object.assign(new PassThrough(), { isTTY })
  const io = createIo({
    stdout,
    stderr: new PassThrough(),
    env: {},
    signal: new AbortController().signal,
    every: () => () => {},
  })
  return { io, shown: () => String(stdout.read() ?? '') }
}

test('T28 what others wrote cannot drive the terminal', () => {
  const { io, shown } = terminal(true)
  printRows(
    io,
    'table',
    [{ hint: 'a\u001b]0;x\u0007\nb\u202e' }],
    [{ title: 'HINT', text: (row) => row.hint }],
    (row) => row,
  )
  expect(shown()).toBe('HINT\na\\u001b]0;x\\u0007\\u000ab\\u202e\n')
})

test('T28 JSON for programs cannot drive the terminal either', () => {
  const { io, shown } = terminal(true)
  printJson(io, { hint: 'a\u001b\u007f\u009b\u2028' })
  expect(shown()).toBe('{\n  "hint": "a\\u001b\\u007f\\u009b\\u2028"\n}\n')
})

test('what takes long is told on a terminal, the innermost wait, and makes way for all that is written', async () => {
  const shown: string[] = []
  const stderr = Object.assign(new PassThrough(), { isTTY: true })
  const ticks = new Set<() => void>()
  const io = createIo({
    stdout: new PassThrough(),
    stderr,
    env: {},
    signal: new AbortController().signal,
    every: (_, tick) => {
      ticks.add(tick)
      return () => ticks.delete(tick)
    },
  })
  const tick = (): void => {
    for (const one of ticks) one()
    shown.push(String(stderr.read() ?? ''))
  }
  const [outer, inner] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const waiting = io.progress('outer', outer.promise)
  expect(stderr.read()).toBeNull()
  tick()
  const within = io.progress('inner', inner.promise)
  tick()
  io.note('a word')
  tick()
  inner.resolve()
  await within
  tick()
  outer.resolve()
  await waiting
  expect(shown).toEqual([
    '\router … 0 s',
    '\rinner … 0 s',
    `\r${' '.repeat(11)}\ra word\n\rinner … 1 s`,
    `\r${' '.repeat(11)}\r\router … 2 s`,
  ])
  expect(String(stderr.read())).toBe(`\r${' '.repeat(11)}\r`)
  expect(ticks.size).toBe(0)
})

test('a private key never goes to a terminal, and goes to a program that asks', () => {
  expect(() => refuseKeyOnTerminal(terminal(true).io, true)).toThrow(CountersignError)
  expect(() => refuseKeyOnTerminal(terminal(true).io, false)).not.toThrow()
  expect(() => refuseKeyOnTerminal(terminal(false).io, true)).not.toThrow()
})

test.each([
  ['invalid', 'usage', 64],
  ['invalid', 'config-key', 78],
  ['invalid', 'entry-selectors', 1],
  ['unavailable', 'rpc-unavailable', 69],
  ['exhausted', 'rate-limited', 75],
  ['forbidden', 'no-identity', 77],
] as const)('%s / %s ends with the exit code %i', (code, reason, exitCode) => {
  const error = new CountersignError(code, 'no', { reason, fix: 'do this' })
  expect(describeFailure(error)).toEqual({
    exitCode,
    lines: [`error[${reason}]: no`, '  fix: do this'],
  })
})

test('times are told as people say them', () => {
  const now = new Date('2026-01-01T00:00:00Z')
  const at = (seconds: number) => relativeTime(new Date(now.getTime() + seconds * 1000), now)
  expect([
    at(59),
    at(3540),
    at(86_000),
    at(864_000),
    at(-30),
    at(-0.2),
    at(0.2),
    relativeTime(undefined, now),
  ]).toEqual(['in 59s', 'in 59m', 'in 23h', 'in 10d', '30s ago', 'now', 'now', 'never'])
})
