import type { Kysely } from 'kysely'
import { expect, test } from 'vitest'
import { createCommitRecorder } from '../../../../server/audit/commit-record.ts'
import type { Trail } from '../../../../server/audit/trail.ts'
import type { Schema } from '../../../../server/store/schema.ts'
import type { AuditEvent } from '../../../../src/audit/event.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { reasonOf } from '../../../support/reason-of.ts'

const clock = new FakeClock()
const change: AuditEvent = {
  ...{ kind: 'entry.created', time: clock.now(), actor: { kind: 'server' }, decision: 'allow' },
}

/** A trail that takes no record of a failure while `isFull`, and a store that keeps no mark. */
function start() {
  const kinds: string[] = []
  const trail = {
    isFull: false,
    async append(events: readonly AuditEvent[]) {
      if (trail.isFull && events.some(({ kind }) => kind === 'commit.failed')) {
        throw new CountersignError('unavailable', 'full', { reason: 'audit-unwritable' })
      }
      kinds.push(...events.map(({ kind }) => kind))
      return { first: kinds.length - events.length + 1, last: kinds.length }
    },
  }
  const broken = new Proxy({} as Kysely<Schema>, {
    get() {
      throw new Error('no store')
    },
  })
  const recorder = createCommitRecorder(trail as unknown as Trail, 'c0'.repeat(16), clock)
  return { kinds, trail, beforeCommit: (...e: AuditEvent[]) => recorder.beforeCommit(e, broken) }
}

test('a change whose mark the store cannot keep is not committed, and that is on record', async () => {
  const { kinds, beforeCommit } = start()
  await expect(beforeCommit(change)).rejects.toThrow('no store')
  expect(kinds).toEqual(['entry.created', 'commit.failed'])
})

test('nothing is committed, not even what is on no record, before it is on record what was not kept', async () => {
  const { kinds, trail, beforeCommit } = start()
  trail.isFull = true
  await expect(beforeCommit(change)).rejects.toThrow('no store')
  expect(kinds).toEqual(['entry.created'])
  expect(await reasonOf(beforeCommit())).toBe('audit-unwritable')
  trail.isFull = false
  await expect(beforeCommit()).rejects.toThrow('no store')
  expect(kinds).toEqual(['entry.created', 'commit.failed'])
})
