import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { renewByCommand, renewBySignal } from '../../../src/files/renewal.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { eventually } from '../../../src/testing/eventually.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { reasonOf } from '../../support/reason-of.ts'
import { temporaryFolder } from './fixture.ts'

const signal = new AbortController().signal

test('a command is run by the shell, is told the folder, and has to succeed', async () => {
  const dir = temporaryFolder()
  await renewByCommand(
    'echo "$COUNTERSIGN_DIR" > "$COUNTERSIGN_DIR/told"',
    dir,
    systemClock,
  )(signal)
  expect(readFileSync(join(dir, 'told'), 'utf8')).toBe(`${dir}\n`)
  expect(await reasonOf(renewByCommand('exit 3', dir, systemClock)(signal))).toBe('on-renew-failed')
})

test('a command that does not end is ended after its minute, with all that it has started', async () => {
  const dir = temporaryFolder()
  const clock = new FakeClock()
  const told = reasonOf(
    renewByCommand(`sleep 600 & echo $! > ${dir}/pid; wait`, dir, clock)(signal),
  )
  const pidFile = join(dir, 'pid')
  await eventually(() => {
    try {
      return readFileSync(pidFile, 'utf8').endsWith('\n')
    } catch {
      return false
    }
  })
  await clock.advance(60_000)
  expect(await told).toBe('on-renew-failed')
  const pid = Number(readFileSync(pidFile, 'utf8'))
  await eventually(() => !isRunning(pid))
})

test('a signal goes to the process of the file, which is read anew each time', async () => {
  const pidFile = join(temporaryFolder(), 'pid')
  const tell = renewBySignal('SIGHUP', pidFile)
  expect(await reasonOf(tell(signal))).toBe('on-renew-failed')
  for (const bad of ['', '0', '1', '-5', 'x', '99999999']) {
    writeFileSync(pidFile, bad)
    expect(await reasonOf(tell(signal)), bad).toBe('on-renew-failed')
  }
  const child = spawn('sleep', ['600'])
  onTestFinished(() => void child.kill('SIGKILL'))
  // As postmaster.pid is: more lines after it.
  writeFileSync(pidFile, `${child.pid}\n/var/lib/data\n`)
  const ended = once(child, 'exit')
  await tell(signal)
  expect(await ended).toEqual([null, 'SIGHUP'])
})

test.skipIf(process.geteuid?.() !== 0)(
  'T16 a process file of another user names processes of that user alone, and is no link',
  async () => {
    const folder = temporaryFolder()
    const child = spawn('sleep', ['600'])
    onTestFinished(() => void child.kill('SIGKILL'))
    writeFileSync(join(folder, 'pid'), String(child.pid))
    symlinkSync('pid', join(folder, 'link'))
    expect(await reasonOf(renewBySignal('SIGHUP', join(folder, 'link'))(signal))).toBe(
      'on-renew-failed',
    )
    chownSync(join(folder, 'pid'), 65534, 65534)
    expect(await reasonOf(renewBySignal('SIGHUP', join(folder, 'pid'))(signal))).toBe(
      'on-renew-failed',
    )
    expect(child.exitCode).toBeNull()
    expect(child.signalCode).toBeNull()
  },
)

function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(sleep\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
