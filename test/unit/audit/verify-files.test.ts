import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type ChainHead, chainStart, nextLine } from '../../../src/audit/chain.ts'
import { HeadCheck } from '../../../src/audit/head-check.ts'
import { verifyFiles } from '../../../src/audit/verify-files.ts'
import { runHere } from '../../support/command.ts'

let path: string
let head: ChainHead

/** Three files of 1,000 records: two full ones and the one that is written to. */
beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'verify-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  path = join(folder, 'audit.log')
  head = chainStart
  for (const name of [`${path}.000001`, `${path}.000002`, path]) {
    let text = ''
    for (let i = 0; i < 1000; i += 1) {
      const next = nextLine(head, {
        kind: 'svid.x509.issued',
        time: new Date('2026-06-01T12:00:00Z'),
        actor: { kind: 'server' },
        decision: 'allow',
        // Long enough for several reads a file, and one line that is longer than a read.
        owner: 'o'.repeat(i === 500 ? 400_000 : 500),
      })
      text += `${next.line}\n`
      head = next.head
    }
    writeFileSync(name, text)
  }
})

function edit(file: string, change: (lines: string[]) => string[]): void {
  writeFileSync(file, change(readFileSync(file, 'utf8').split('\n')).join('\n'))
}

describe('a trail of several files', () => {
  test('is whole as it was written, from its first record to the one that --head names', async () => {
    expect(await verifyFiles(path, { expected: head })).toMatchObject({
      files: 3,
      verified: 3000,
      from: chainStart,
      head,
      unfinished: 0,
      fault: undefined,
    })
  })

  test('is whole where much is written to it as its end is looked at', async () => {
    let text = ''
    for (let at = 0; at < 3; at += 1) {
      const next = nextLine(head, {
        ...{ kind: 'server.stopped', time: new Date('2026-06-01T12:00:00Z') },
        ...{ actor: { kind: 'server' }, decision: 'allow', owner: 'o'.repeat(400_000) },
      })
      text += `${next.line}\n`
      head = next.head
    }
    const handle = await open(path)
    const stat = vi.spyOn(Object.getPrototypeOf(handle), 'stat')
    await handle.close()
    let looks = 0
    stat.mockImplementation(async () => {
      looks += 1
      if (looks === 3) appendFileSync(path, text)
      return statSync([`${path}.000001`, `${path}.000002`, path][looks - 1] ?? expect.fail())
    })
    onTestFinished(() => stat.mockRestore())
    expect(await verifyFiles(path)).toMatchObject({ fault: undefined, unfinished: 0 })
  })

  test('is whole where a file gets its number while those before it are read', async () => {
    const last = nextLine(head, {
      ...{ kind: 'server.stopped', time: new Date('2026-06-01T12:00:00Z') },
      ...{ actor: { kind: 'server' }, decision: 'allow' },
    })
    const heads = new HeadCheck({})
    const look = heads.look.bind(heads)
    heads.look = (lines) => {
      if (!existsSync(`${path}.000003`)) {
        renameSync(path, `${path}.000003`)
        writeFileSync(path, `${last.line}\n`)
      }
      return look(lines)
    }
    expect(await verifyFiles(path, { heads, expected: last.head })).toMatchObject({
      ...{ files: 4, verified: 3001, head: last.head, fault: undefined },
    })
  })

  test('T10 whose front is gone is whole for who says with which record it begins, and for nobody else', async () => {
    rmSync(`${path}.000001`)
    const found = { verified: 2000, from: { number: 1000 } }
    const fault = { kind: 'front-missing', file: `${path}.000002`, line: 1 }
    expect(await verifyFiles(path)).toMatchObject({ ...found, fault })
    expect(await verifyFiles(path, { first: 1000 })).toMatchObject({ ...found, fault })
    expect(await verifyFiles(path, { first: 1001 })).toMatchObject({ ...found, fault: undefined })
    edit(`${path}.000002`, (lines) => lines.slice(5))
    expect(await verifyFiles(path, { first: 1001 })).toMatchObject({
      from: { number: 1005 },
      fault,
    })
  })

  test('is whole with the files that were moved away, given in order', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'archive-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const [first, second] = [join(folder, 'audit.log.000001'), join(folder, 'audit.log.000002')]
    renameSync(`${path}.000001`, first)
    const whole = { files: 3, verified: 3000, from: chainStart, head, fault: undefined }
    expect(await verifyFiles(path, { older: [first] })).toMatchObject(whole)
    renameSync(`${path}.000002`, second)
    expect(await verifyFiles(path, { older: [first, second] })).toMatchObject(whole)
    expect((await verifyFiles(path, { older: [second, first] })).fault).toMatchObject({
      ...{ kind: 'line-out-of-place', file: first, line: 1 },
    })
    expect((await verifyFiles(path, { older: [first] })).fault).toMatchObject({
      ...{ kind: 'line-out-of-place', file: path, line: 1 },
    })
    const args = ['audit', 'verify', first, second, path]
    expect(await runHere(args)).toMatchObject({ code: 0, stderr: '' })
    // Nothing follows what is not finished, but in the file that is written to.
    writeFileSync(first, `${readFileSync(first, 'utf8')}{`)
    expect((await runHere(args)).stderr).toContain(`line 1001 of ${first}`)
    rmSync(first)
    expect((await runHere(args)).stderr).toContain(
      `error[audit-file-unreadable]: cannot read ${first}`,
    )
  })

  test('T10 countersign audit verify says what is missing at the front, and takes --from for it', async () => {
    rmSync(`${path}.000001`)
    const args = ['audit', 'verify', path]
    const cut = await runHere(args)
    expect(cut.code).toBe(1)
    expect(cut.stderr).toContain(`error[audit-front-missing]: line 1 of ${path}.000002`)
    const [, behind] = /from\s+record 1001, after (1000:[0-9a-f]{64})\n/.exec(cut.stdout) ?? []
    expect(cut.stderr).toContain(`--from 1001, `)
    expect(cut.stderr).toContain(`--head ${behind}`)
    expect(await runHere([...args, '--from', '1001'])).toMatchObject({ code: 0, stderr: '' })
    expect((await runHere([...args, '--from', '1000'])).code).toBe(1)
    expect((await runHere([...args, '--from', '0'])).code).toBe(64)
  })

  test('T10 names the file and the line of the first fault', async () => {
    edit(`${path}.000002`, (lines) => lines.with(7, (lines[7] ?? '').replace('allow', 'alloW')))
    edit(path, (lines) => lines.toSpliced(3, 1))
    expect((await verifyFiles(path)).fault).toEqual({
      kind: 'line-changed',
      file: `${path}.000002`,
      line: 8,
    })
    rmSync(`${path}.000002`)
    expect((await verifyFiles(path)).fault).toEqual({
      kind: 'line-out-of-place',
      file: path,
      line: 1,
    })
    rmSync(`${path}.000001`)
    expect((await verifyFiles(path)).fault).toEqual({
      kind: 'line-out-of-place',
      file: path,
      line: 4,
    })
  })

  test('T10 an end that was cut off is found by the head', async () => {
    edit(path, (lines) => [...lines.slice(0, 990), ''])
    expect((await verifyFiles(path)).fault).toBeUndefined()
    expect((await verifyFiles(path, { expected: head })).fault).toEqual({
      ...{ kind: 'end-differs', file: path, line: 990 },
    })
  })

  test('T10 an end that was written anew is found by the hash that --head names', async () => {
    const other = { ...head, hash: chainStart.hash }
    expect((await verifyFiles(path, { expected: other })).fault).toMatchObject({
      kind: 'end-differs',
    })
  })

  test('what is no line of a trail is a fault in the middle, and unfinished at the end', async () => {
    writeFileSync(path, `${readFileSync(path, 'utf8')}{"v":1,"n":`)
    expect(await verifyFiles(path, { expected: head })).toMatchObject({
      unfinished: 11,
      fault: undefined,
    })
    writeFileSync(path, Buffer.alloc(3 << 20))
    expect((await verifyFiles(path)).fault).toMatchObject({ kind: 'line-changed', line: 1 })
    writeFileSync(`${path}.000002`, `${readFileSync(`${path}.000002`, 'utf8')}{`)
    expect((await verifyFiles(path)).fault).toMatchObject({ kind: 'line-changed', line: 1001 })
  })

  test('countersign audit verify says the same, and ends with 1 where something is wrong', async () => {
    const good = await runHere(['audit', 'verify', path, '--head', `${head.number}:${head.hash}`])
    expect(good).toMatchObject({ code: 0, stderr: '' })
    expect(good.stdout).toMatch(/records\s+3000[\s\S]*verdict\s+whole/)
    edit(path, (lines) => lines.toSpliced(3, 1))
    const bad = await runHere(['audit', 'verify', path, '-o', 'json'])
    expect(bad.code).toBe(1)
    expect(bad.stderr).toContain(`error[audit-line-out-of-place]: line 4 of ${path}`)
    expect(JSON.parse(bad.stdout)).toMatchObject({ verified: 2003, fault: { line: 4 } })
    const none = await runHere(['audit', 'verify', `${path}.gone`])
    expect(none).toMatchObject({ code: 1, stdout: '' })
    expect(none.stderr).toContain('audit-file-unreadable')
  })
})
