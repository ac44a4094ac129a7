import { spawn } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import {
  openProcessFiles,
  type ProcessFiles,
} from '../../../../agent/workload-attestation/process-files.ts'
import { supplementaryGidsOf } from '../../../../agent/workload-attestation/process-state.ts'

function filesOf(pid: number): ProcessFiles {
  const files = openProcessFiles(pid)
  if (files === undefined) throw new Error('no such process')
  onTestFinished(() => files.close())
  return files
}

test('this process is read as it is', () => {
  const state = filesOf(process.pid).look()
  expect(state).toMatchObject({
    effectiveUid: process.geteuid?.(),
    effectiveGid: process.getegid?.(),
    startTime: expect.stringMatching(/^\d+$/),
  })
  const { dev, ino } = statSync(process.execPath, { bigint: true })
  expect(state?.executable).toEqual({ device: dev, inode: ino })
  const groups = (process.getgroups?.() ?? []).filter((gid) => gid !== process.getgid?.())
  expect(supplementaryGidsOf(state?.rights ?? '')).toEqual(expect.arrayContaining(groups))
})

test('a process whose name looks like fields and lines is read right', async () => {
  const folder = mkdtempSync('/tmp/csgn-')
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const program = join(folder, ') R 1\nUid:\t0')
  chmodSync(folder, 0o755)
  copyFileSync('/bin/sleep', program)
  const child = spawn(program, ['60'], process.getuid?.() === 0 ? { uid: 1234, gid: 4321 } : {})
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  await new Promise((resolve) => child.once('spawn', resolve))
  const state = filesOf(child.pid ?? 0).look()
  expect(state?.effectiveUid).toBe(process.getuid?.() === 0 ? 1234 : process.getuid?.())
  expect(Number(state?.startTime)).toBeGreaterThan(1)
})

test.skipIf(process.getuid?.() !== 0)('a process with very many groups is read whole', async () => {
  const program =
    'import os, time; os.setgroups(range(100000, 110000)); print(1, flush=True); time.sleep(60)'
  const child = spawn('python3', ['-c', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  const groups = supplementaryGidsOf(filesOf(child.pid ?? 0).look()?.rights ?? '')
  expect(groups).toHaveLength(10_000)
  expect(groups.at(-1)).toBe(109_999)
})

test('T2 what was opened shows one process only: dead once that one is, and no other with its number', async () => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  await new Promise((resolve) => child.once('spawn', resolve))
  const files = filesOf(child.pid ?? 0)
  expect(files.look()).toBeDefined()
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await exited
  expect(files.look()).toBeUndefined()
})

test('what never was cannot be opened', () => {
  expect(openProcessFiles(2 ** 30)).toBeUndefined()
  expect(openProcessFiles(-1)).toBeUndefined()
})
