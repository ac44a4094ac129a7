import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { frameworks } from '../../src/report/report.ts'

const tests = fileURLToPath(new URL('..', import.meta.url))

/** The titles of all tests, as they stand in quotes. */
function titles(): Set<string> {
  const found = new Set<string>()
  for (const file of readdirSync(tests, { recursive: true, withFileTypes: true })) {
    if (!file.isFile() || !file.name.endsWith('.test.ts')) continue
    const text = readFileSync(join(file.parentPath, file.name), 'utf8')
    const calls = /\btest(?:\.\w+)?(?:\([^'"`]{0,80})?\(\s*(['"`])(.+?)\1\s*,/g
    for (const [, , title = ''] of text.matchAll(calls)) found.add(title)
  }
  return found
}

test('each test that `countersign report` names is there, word for word', () => {
  const known = titles()
  expect(known.size).toBeGreaterThan(1000)
  const named = frameworks.flatMap(({ rows }) => rows.flatMap((row) => row.tests))
  expect(named.filter((title) => !known.has(title))).toEqual([])
})

test('the report has each row of the lists that are there whole, and each says what is not covered', () => {
  const ids = (id: string) => frameworks.find((one) => one.id === id)?.rows.map((row) => row.id)
  expect(ids('nhi')).toEqual(Array.from({ length: 10 }, (_, i) => `NHI${i + 1}:2025`))
  expect(ids('csf')).toEqual(Array.from({ length: 6 }, (_, i) => `PR.AA-0${i + 1}`))
  for (const row of frameworks.flatMap(({ rows }) => rows)) {
    expect(row.gaps.length).toBeGreaterThan(10)
    if (row.id !== 'PR.AA-06') expect(row.queries.length * row.tests.length).toBeGreaterThan(0)
  }
})
