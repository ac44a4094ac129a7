import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { publicFace, undocumented } from './public-face.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

// A change is for the reviewer to see; `npx vitest run test/architecture -u` writes it down.
test('what the library exports, and the codes and reasons of its errors, are those on file', async () => {
  await expect(publicFace(root)).toMatchFileSnapshot('public-face.txt')
})

test('each export of the library says what it is', () => {
  expect(undocumented(root)).toEqual([])
})
