import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { auditKinds } from '../../src/audit/event.ts'

const server = fileURLToPath(new URL('../../server', import.meta.url))

test('each kind of record that a reader of a trail is told of is written by somebody', () => {
  const texts = readdirSync(server, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile() && file.name.endsWith('.ts'))
    .map((file) => readFileSync(join(file.parentPath, file.name), 'utf8'))
  expect(texts.length).toBeGreaterThan(100)
  const unwritten = auditKinds.filter((kind) => !texts.some((text) => text.includes(`'${kind}'`)))
  expect(unwritten).toEqual([])
})
