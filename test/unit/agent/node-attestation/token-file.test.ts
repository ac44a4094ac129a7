import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { tokenSource } from '../../../../agent/node-attestation/token-file.ts'
import { reasonOfAsync } from '../../../support/x509-fixtures.ts'

let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'token-'))
  path = join(folder, 'token')
})

afterEach(() => {
  rmSync(folder, { recursive: true })
})

describe('a token file', () => {
  test('is read each time, so that an operator can put another token there', async () => {
    const source = tokenSource(path)
    writeFileSync(path, 'first\n')
    expect((await source())?.reveal()).toBe('first')
    writeFileSync(path, '  second  ')
    expect((await source())?.reveal()).toBe('second')
  })

  test('that is empty holds no token', async () => {
    writeFileSync(path, ' \n')
    expect(await tokenSource(path)()).toBeUndefined()
  })

  test('that is not there says so', async () => {
    expect(await reasonOfAsync(tokenSource(path))).toBe('join-token-file')
  })

  test('is bounded, and prints nothing of its token', async () => {
    writeFileSync(path, 'x'.repeat(5000))
    const token = await tokenSource(path)()
    expect(token?.reveal()).toHaveLength(1024)
    expect(JSON.stringify({ token, text: `${token}` })).not.toContain('xx')
  })

  test('that nobody named is none', async () => {
    expect(await tokenSource(undefined)()).toBeUndefined()
  })
})
