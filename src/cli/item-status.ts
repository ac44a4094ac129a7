import { CountersignError } from '../errors.ts'
import type { Io } from './io.ts'

interface Item {
  readonly status: { readonly code: number; readonly message: string } | null
}

/** The one item of a batch of one. Throws what the server says of it. */
export async function onlyItem<T extends Item>(results: readonly T[]): Promise<T> {
  const [result] = results
  if (result === undefined) {
    throw new CountersignError('internal', 'the server left the request without an answer', {
      reason: 'item-missing',
    })
  }
  const { itemError } = await import('../rpc/status.ts')
  const error = itemError(result.status)
  if (error !== undefined) throw error
  return result
}

/** Reads a text file that a flag names; `-` is standard input. Throws `invalid` with this reason. */
export async function readTextFile(path: string, reason: string): Promise<string> {
  const { readFileSync } = await import('node:fs')
  try {
    const text = readFileSync(path === '-' ? 0 : path, 'utf8')
    if (text.length > maxFileBytes) throw new Error('larger than 64 MiB')
    return text
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unreadable'
    throw new CountersignError('invalid', `cannot read ${path}: ${why}`, {
      reason,
      fix: 'name a file, or - for standard input',
    })
  }
}

const maxFileBytes = 64 << 20

/** `deleted a.test`, or the same as JSON. */
export async function printDone(
  io: Io,
  output: 'table' | 'json',
  done: string,
  what: string,
): Promise<void> {
  if (output === 'json') {
    const { printJson } = await import('./output.ts')
    printJson(io, { [done]: what })
  } else io.write(`${done} ${what}\n`)
}
