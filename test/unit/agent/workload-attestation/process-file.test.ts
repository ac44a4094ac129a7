import { spawn } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import {
  openProcess,
  type ProcessFile,
} from '../../../../agent/workload-attestation/process-file.ts'
import { supplementaryGidsOf } from '../../../../agent/workload-attestation/process-state.ts'

function fileOf(pid: number): ProcessFile {
  const file = openProcess(pid)
  if (file === undefined) throw new Error('no such process')
  onTestFinished(() => file.close())
  return file
}

test('this process is read as it is', () => {
  const state = fileOf(process.pid).look()
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
  const state = fileOf(child.pid ?? 0).look()
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
  const groups = supplementaryGidsOf(fileOf(child.pid ?? 0).look()?.rights ?? '')
  expect(groups).toHaveLength(10_000)
  expect(groups.at(-1)).toBe(109_999)
})

test('T2 what was opened shows one process only: dead once that one is, and no other with its number', async () => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  await new Promise((resolve) => child.once('spawn', resolve))
  const file = fileOf(child.pid ?? 0)
  expect(file.look()).toBeDefined()
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await exited
  expect(file.look()).toBeUndefined()
})

test('T2 a zombie has ended, though its number is still its own', async () => {
  const program = 'import os, time; pid = os.fork(); pid and print(pid, flush=True); time.sleep(60)'
  const parent = spawn('python3', ['-c', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => {
    parent.kill('SIGKILL')
  })
  const pid = Number(await new Promise((resolve) => parent.stdout.once('data', resolve)))
  const file = fileOf(pid)
  expect(file.look()).toBeDefined()
  process.kill(pid, 'SIGKILL')
  await expect.poll(() => readFileSync(`/proc/${pid}/stat`, 'utf8')).toContain(') Z ')
  expect(file.look()).toBeUndefined()
  expect(openProcess(pid)).toBeUndefined()
})

test('what never was cannot be opened', () => {
  expect(openProcess(2 ** 30)).toBeUndefined()
  expect(openProcess(-1)).toBeUndefined()
})
