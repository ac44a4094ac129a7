import { spawn } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import {
  readProcessState,
  supplementaryGidsOf,
} from '../../../../agent/workload-attestation/process-state.ts'

test('this process is read as it is', () => {
  const state = readProcessState(process.pid)
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
  const state = readProcessState(child.pid ?? 0)
  expect(state?.effectiveUid).toBe(process.getuid?.() === 0 ? 1234 : process.getuid?.())
  expect(Number(state?.startTime)).toBeGreaterThan(1)
})

test('what is gone or never was is undefined', () => {
  expect(readProcessState(2 ** 30)).toBeUndefined()
  expect(readProcessState(-1)).toBeUndefined()
})

test('the supplementary groups are the last line', () => {
  expect(supplementaryGidsOf('0\t0\t0\t0\n0\t0\t0\t0\n')).toEqual([])
  expect(supplementaryGidsOf('0\t0\t0\t0\n0\t0\t0\t0\n4 27 1000')).toEqual([4, 27, 1000])
})
