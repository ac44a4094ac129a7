import { expect, test } from 'vitest'
import { flaggedArgs } from '../../../src/cli/node-flags.ts'

const argv = (...args: readonly string[]): string[] => ['/usr/bin/node', 'bin.js', ...args]
const heap = ['--max-semi-space-size=8', '--heap-growing-percent=30']
const safe = ['--disable-proto=delete', '--disable-sigusr1']

test('T12 T21 T23 server, agent and broker run with a bounded heap, and with neither __proto__ nor a debugger to be opened', () => {
  for (const what of [['server', 'run'], ['agent', 'run'], ['broker', 'run'], ['forward-auth']]) {
    expect(flaggedArgs(argv(...what, '--config', 'c.yaml'), ['--inspect'], '')).toEqual([
      ...[...heap, ...safe, '--inspect'],
      ...['bin.js', ...what, '--config', 'c.yaml'],
    ])
  }
})

test('a process that has the flags is left as it is, and those of its operator are left to him', () => {
  const left = (execArgv: readonly string[], options: string) =>
    flaggedArgs(argv('agent', 'run'), execArgv, options)?.slice(0, -3)
  expect(flaggedArgs(argv('agent', 'run'), [...heap, ...safe], '')).toBeUndefined()
  expect(left(['--heap_growing_percent=90'], '')).toEqual([...safe, '--heap_growing_percent=90'])
  expect(left([], '--max-semi-space-size=32')).toEqual(safe)
  expect(left([], '--disable-proto=throw')).toEqual([...heap, '--disable-sigusr1'])
})

test('so is one that ends by itself', () => {
  expect(flaggedArgs(argv('agent', 'list'), [], '')).toBeUndefined()
  expect(flaggedArgs(argv(), [], '')).toBeUndefined()
})
