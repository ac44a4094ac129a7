import { PassThrough } from 'node:stream'
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { CountersignError } from '../../../src/errors.ts'
import { createLevelSwitch, createLog } from '../../../src/runtime/json-log.ts'
import { Secret } from '../../../src/runtime/secret.ts'

function logged(write: (log: ReturnType<typeof createLog>) => void): string {
  const stream = new PassThrough()
  write(createLog({ level: 'debug', component: 'test', stream }))
  return String(stream.read() ?? '')
}

test('T28 whatever stands in a field, one message is one line of JSON', () => {
  const nasty = 'a\nb\r\u001b]0;title\u0007\u2028\u2029\u0085"}{\u0000'
  const text = logged((log) => log.info(nasty, { [nasty]: nasty, id: nasty }))
  expect(text.endsWith('\n')).toBe(true)
  const line = text.slice(0, -1)
  const breaking = [...line].filter(
    (c) => c < ' ' || (c >= '\u007f' && c <= '\u009f') || /[\u2028\u2029]/.test(c),
  )
  expect(breaking).toEqual([])
  expect(JSON.parse(line)).toMatchObject({ message: nasty, id: nasty })
})

test('T21 a secret is not printed, by its type or by the name of its field', () => {
  const secret = new Secret('hunter2')
  const text = logged((log) => {
    log.info('x', { value: secret, nested: { deep: secret }, list: [secret] })
    log.info(`told ${secret}`, { joinToken: 'hunter2', privateKey: 'hunter2' })
    log.error('failed', {
      error: new Error('no', { cause: secret }),
      raw: JSON.stringify({ secret }),
    })
  })
  expect(text).not.toContain('hunter2')
  expect(text).toContain('[secret]')
})

test.each(['token', 'idToken', 'password', 'clientSecret', 'private_key', 'Authorization'])(
  'T21 a field of the name %s is not printed, at any depth',
  (name) => {
    const text = logged((log) =>
      log.info('x', { [name]: 'hunter2', in: { it: [{ [name]: 'hunter2' }] } }),
    )
    expect(text).not.toContain('hunter2')
    expect(text.match(/\[secret\]/g)).toHaveLength(2)
  },
)

test('T21 a secret that is looked at, or turned into text or JSON, shows nothing of itself', () => {
  const secret = new Secret('hunter2')
  const shown = [
    inspect(secret),
    inspect({ a: [secret] }),
    String(secret),
    JSON.stringify({ secret }),
  ]
  for (const text of shown) expect(text).toContain('[secret]')
  expect(logged((log) => log.info('x', { value: secret, list: [secret] }))).toContain(
    '"value":"[secret]","list":["[secret]"]',
  )
})

test('T28 a line has a bound, whatever is to be in it', () => {
  let deep: object = { end: 'the end' }
  for (let depth = 0; depth < 100; depth += 1) deep = { deep }
  const circle: { self?: object } = {}
  circle.self = circle
  const long = 'a'.repeat(100_000)
  const list = Array.from({ length: 1000 }, () => 'b')
  const text = logged((log) => log.info(long, { long, deep, list, circle }))
  expect(text.length).toBeLessThan(10_000)
  const { message, list: shown } = JSON.parse(text)
  expect([message, shown]).toEqual([`${'a'.repeat(4096)}…`, list.slice(0, 100)])
  expect(text).not.toContain('the end')
})

test('an error shows its reason and what to do, and bytes only their number', () => {
  const error = new CountersignError('invalid', 'no', { reason: 'because', fix: 'do so' })
  const line = JSON.parse(logged((log) => log.warn('x', { error, der: Buffer.alloc(3) })))
  expect(line).toMatchObject({
    error: { code: 'invalid', reason: 'because', fix: 'do so' },
    der: '[3 bytes]',
  })
})

test('the stack of what was foreseen is left out, and that of a bug is not', () => {
  const of = (code: 'unavailable' | 'internal') => {
    const error = new CountersignError(code, 'no', { reason: 'because', cause: new Error('ECONN') })
    return JSON.parse(logged((log) => log.warn('x', { error }))).error.cause
  }
  expect(of('unavailable')).toEqual({ name: 'Error', message: 'ECONN' })
  expect(of('internal').stack).toContain('json-log.test')
})

test('a message below the level costs nothing and prints nothing', () => {
  const stream = new PassThrough()
  createLog({ level: 'warn', component: 'test', stream }).info('quiet')
  expect(stream.read()).toBeNull()
})

test('the level is turned while the log is in use, for its children too', () => {
  const stream = new PassThrough()
  const level = createLevelSwitch('warn')
  const log = createLog({ level, component: 'test', stream }).child({ part: 'a' })
  log.info('one')
  level.set('debug')
  log.debug('two')
  level.set('error')
  log.warn('three')
  level.set(level.launch)
  log.warn('four')
  const lines = String(stream.read()).trimEnd().split('\n')
  expect(lines.map((line) => JSON.parse(line).message)).toEqual(['two', 'four'])
})
