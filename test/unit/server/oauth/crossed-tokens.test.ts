import { expect, onTestFinished, test } from 'vitest'
import { openChanges } from '../../../../server/changes/changes.ts'
import { createCrossedTokens } from '../../../../server/oauth/crossed-tokens.ts'
import { createRevocations } from '../../../../server/revocation/revocations.ts'
import { type Cause, factWriter } from '../../../../server/revocation/write-facts.ts'
import { putAuthority } from '../../../../server/store/authorities.ts'
import { IssuedBatch } from '../../../../server/store/issued-batch.ts'
import type { IssuedToken } from '../../../../server/store/issued-tokens.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { eventually } from '../../../../src/testing/eventually.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { authorityOf, idOf } from '../entry/samples.ts'
import { tempDatabase, tempStore } from '../store/fixture.ts'

const web = idOf('/web')
const start = new Date('2026-06-01T12:00:00.950Z')

/** A server that hears of facts 200 ms late, and another one that writes them. Of what it writes the first `failures` fail. */
async function startWorld(failures = 0) {
  const clock = new FakeClock(start)
  const { connect } = await tempDatabase()
  const store = await tempStore({ connect })
  await store.write((tx) => putAuthority(tx, authorityOf('oauth')))
  const other = await tempStore({ connect })
  const write = factWriter({
    trustDomain: TrustDomain.parse('example.org'),
    clock,
    proofSeconds: 60,
  })
  const revocations = createRevocations({ clock, write })
  const deps = { store, revocations, clock, log: silentLog }
  const changes = await openChanges(store, { clock, log: silentLog, onBatch: revocations.apply })
  let failed = 0
  const failing: Pick<typeof store, 'write'> = {
    async write(job) {
      if (failed === failures) return store.write(job)
      failed += 1
      throw new Error('the store is away')
    },
  }
  const crossed = createCrossedTokens({ ...deps, store: failing, changes })
  let batch = new IssuedBatch()
  crossed.watch(batch)
  const stop = new AbortController()
  const running = [changes.run(stop.signal)]
  const run = () => void running.push(crossed.run(stop.signal))
  onTestFinished(async () => {
    stop.abort()
    await Promise.allSettled(running)
  })
  await changes.upToDate()
  return {
    ...{ clock, crossed, revocations, run },
    /** What was issued is written down; what comes now goes into another batch. */
    flush() {
      batch.close()
      batch = new IssuedBatch()
      crossed.watch(batch)
    },
    revokeElsewhere: (...causes: readonly Cause[]) => other.write((tx) => write(tx, causes)),
    /** In a transaction that was begun at this time, and took until now. */
    revokeSlowly(begun: Date, cause: Cause) {
      const slow = factWriter({
        trustDomain: TrustDomain.parse('example.org'),
        clock: { now: () => begun },
        proofSeconds: 60,
      })
      return other.write((tx) => slow(tx, [cause]))
    },
    failed: () => failed,
    issue(jti: string, more: Partial<IssuedToken> = {}): IssuedToken {
      const issuedAt = new Date(Math.floor(clock.now().getTime() / 1000) * 1000)
      const token = {
        ...{ jti, txn: `txn-${jti}`, parent: undefined, entryId: 'e', owner: 'team' },
        ...{ subject: web, clientId: web, audience: 'https://orders', scopes: ['read'] },
        ...{ auth: 'spiffe_x509', address: '10.0.0.1:1', actors: [], issuedAt },
        expiresAt: new Date(issuedAt.getTime() + 300_000),
        ...more,
      }
      batch.add(token)
      return token
    },
  }
}

test.each<Cause>([
  { kind: 'spiffe-id', id: web },
  { kind: 'entry', id: 'e' },
  { kind: 'owner', id: 'team' },
  { kind: 'trust-domain', id: 'example.org' },
])(
  'T26 what is issued in the second after a $kind was revoked elsewhere dies once that is known here',
  async (cause) => {
    const { clock, revocations, revokeElsewhere, issue, flush, run } = await startWorld()
    run()
    // However long ago a batch was begun, it may grow until it is closed.
    await clock.advance(20_000)
    await revokeElsewhere(cause)
    await clock.advance(100)
    issue('late')
    flush()
    issue('passed-on', { parent: 'late', txn: 'txn-late' })
    issue('of-others', {
      ...{ subject: 'spiffe://partner.test/api', clientId: idOf('/api') },
      ...{
        entryId: 'x',
        owner: 'others',
        ...(cause.kind === 'trust-domain' && {
          clientId: 'spiffe://partner.test/api' as typeof web,
        }),
      },
    })
    await clock.advance(100)
    await eventually(() => revocations.find('transaction', 'txn-late') !== undefined)
    // What has just been issued by exchange goes by its own id as well.
    expect(revocations.find('token', 'passed-on')).toBeDefined()
    expect(revocations.find('transaction', 'txn-of-others')).toBeUndefined()
    // Of what is issued once that is known, the door has judged.
    issue('after')
    await clock.advance(5000)
    expect(revocations.find('transaction', 'txn-after')).toBeUndefined()
  },
)

test('T26 what was written down meanwhile dies too by a fact that took seconds to be written', async () => {
  const { clock, revocations, revokeSlowly, issue, flush, run } = await startWorld()
  run()
  const begun = clock.now()
  await clock.advance(1000)
  issue('written')
  flush()
  for (let step = 0; step < 15; step += 1) await clock.advance(200)
  await revokeSlowly(begun, { kind: 'owner', id: 'team' })
  await clock.advance(200)
  await eventually(() => revocations.find('owner', 'team') !== undefined)
  await clock.advance(200)
  await eventually(() => revocations.find('transaction', 'txn-written') !== undefined)
})

test('T26 what could not be revoked is tried again', async () => {
  const { clock, revocations, revokeElsewhere, issue, failed, run } = await startWorld(2)
  run()
  await revokeElsewhere({ kind: 'owner', id: 'team' })
  await clock.advance(100)
  issue('late')
  await clock.advance(100)
  await eventually(() => failed() === 1)
  const aSecondLater = async () => {
    await clock.advance(1000)
    return revocations.find('transaction', 'txn-late') !== undefined
  }
  await expect.poll(aSecondLater).toBe(true)
  expect(failed()).toBe(2)
})

test('T26 what a run before has issued dies by a fact that it did not know, here or still to come, and by no other', async () => {
  const { clock, revocations, crossed, revokeElsewhere, issue, run } = await startWorld()
  const isDead = (jti: string) => revocations.find('transaction', `txn-${jti}`) !== undefined
  await revokeElsewhere({ kind: 'owner', id: 'known' })
  await clock.advance(2000)
  const factsUpTo = revocations.head.number
  await revokeElsewhere({ kind: 'owner', id: 'team' })
  await clock.advance(1000)
  expect(revocations.find('owner', 'team')).toBeDefined()
  await revokeElsewhere({ kind: 'entry', id: 'coming' })
  await clock.advance(100)
  expect(revocations.find('entry', 'coming')).toBeUndefined()
  const issued = [
    issue('across'),
    issue('of-known', { owner: 'known', entryId: 'known' }),
    issue('of-others', { owner: 'others', entryId: 'others' }),
    issue('across-another', { owner: 'others', entryId: 'coming' }),
  ]
  crossed.resume(issued.map((token) => ({ token, factsUpTo })))
  run()
  await clock.advance(100)
  await eventually(() => isDead('across') && isDead('across-another'))
  expect([isDead('of-known'), isDead('of-others')]).toEqual([false, false])
})
