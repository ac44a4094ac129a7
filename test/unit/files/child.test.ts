import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Child } from '../../../src/files/child.ts'
import { eventually } from '../../../src/testing/eventually.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { temporaryFolder } from './fixture.ts'

/** Minds no SIGTERM, says in a file that it runs, and ends with 5 at the second time. */
const stubborn = (file: string) => {
  const script = `trap '' TERM; echo >> "$0"; [ "$(wc -l < "$0")" = 2 ] && exit 5; while :; do sleep 0.05; done`
  return ['sh', '-c', script, file] as const
}

/** Its line is there: the file alone may be, and nothing in it yet. */
const hasRun = (file: string): boolean => existsSync(file) && statSync(file).size > 0

test('a program that does not end is killed after its time, and started anew', async () => {
  const clock = new FakeClock()
  const file = join(temporaryFolder(), 'runs')
  const child = new Child([...stubborn(file)], process.env, clock)
  await eventually(() => hasRun(file))
  const renewed = child.renew('restart')
  await clock.advance(10_000)
  await renewed
  expect(await child.ended).toBe(5)
})

test('a program that was told to end by us and by others is not started anew', async () => {
  const clock = new FakeClock()
  const file = join(temporaryFolder(), 'runs')
  const child = new Child([...stubborn(file)], process.env, clock)
  await eventually(() => hasRun(file))
  const renewed = child.renew('restart')
  child.pass('SIGTERM')
  await clock.advance(10_000)
  await renewed
  expect(await child.ended).toBe(137)
})
