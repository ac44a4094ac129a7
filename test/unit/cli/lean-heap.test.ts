import { expect, test } from 'vitest'
import { leanArgs } from '../../../src/cli/lean-heap.ts'

const argv = (...args: readonly string[]): string[] => ['/usr/bin/node', 'bin.js', ...args]
const flags = ['--max-semi-space-size=8', '--heap-growing-percent=30']

test('T12 server, agent and broker run with a bounded heap', () => {
  for (const what of ['server', 'agent', 'broker']) {
    expect(leanArgs(argv(what, 'run', '--config', 'c.yaml'), ['--inspect'], '')).toEqual([
      ...[...flags, '--inspect'],
      ...['bin.js', what, 'run', '--config', 'c.yaml'],
    ])
  }
})

test('a process that has the flags, or those of its operator, is left as it is', () => {
  expect(leanArgs(argv('agent', 'run'), flags, '')).toBeUndefined()
  expect(leanArgs(argv('agent', 'run'), ['--heap_growing_percent=90'], '')).toBeUndefined()
  expect(leanArgs(argv('agent', 'run'), [], '--max-semi-space-size=32')).toBeUndefined()
})

test('so is one that ends by itself', () => {
  expect(leanArgs(argv('agent', 'list'), [], '')).toBeUndefined()
  expect(leanArgs(argv(), [], '')).toBeUndefined()
})
