import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

test('what tests import sets up nothing as it is loaded: of files that share a process only the first would have it', () => {
  const imported = globSync('test/{architecture,flow,spec,support,unit}/**/*.ts', {
    cwd: root,
  }).filter((file) => !file.endsWith('.test.ts'))
  expect(imported.length).toBeGreaterThan(50)
  const setUp = /^(?:before|after)(?:All|Each)\(|^on(?:TestFinished|TestFailed)\(/m
  expect(imported.filter((file) => setUp.test(readFileSync(join(root, file), 'utf8')))).toEqual([])
})
