import { expect, onTestFinished, test } from 'vitest'
import { openChanges } from '../../../../server/changes/changes.ts'
import { createPublisher, type FeedEvent } from '../../../../server/revocation/publisher.ts'
import { createRevocations } from '../../../../server/revocation/revocations.ts'
import { factWriter } from '../../../../server/revocation/write-facts.ts'
import { putAuthority } from '../../../../server/store/authorities.ts'
import { signCompact } from '../../../../src/jwt/sign.ts'
import { readFeedMessage } from '../../../../src/revocation/feed-message.ts'
import { FollowedState } from '../../../../src/revocation/followed-state.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { eventually } from '../../../../src/testing/eventually.ts'
import { spkiOf } from '../../../../src/x509/key.ts'
import { feedKey, issuer } from '../../revocation/feed-fixture.ts'
import { authorityOf } from '../entry/samples.ts'
import { tempDatabase, tempStore } from '../store/fixture.ts'

type Database = Awaited<ReturnType<typeof tempDatabase>>

/** A server on a database that others have as well: log, revocations and feed. */
async function startServer({ connect }: Database) {
  const clock = systemClock
  const store = await tempStore({ connect })
  const revocations = createRevocations({
    clock,
    write: factWriter({
      trustDomain: TrustDomain.parse('example.org'),
      clock,
      proofSeconds: 3600,
    }),
  })
  const onBatch = revocations.apply
  const changes = await openChanges(store, { clock, log: silentLog, onBatch })
  const ca = {
    signFeed: (claims: Record<string, unknown>) =>
      signCompact(feedKey, 'feed', claims, 'revocation-feed+jwt'),
  }
  const publisher = createPublisher({ issuer, changes, revocations, ca, clock, log: silentLog })
  const stop = new AbortController()
  const running = [publisher.run(stop.signal), changes.run(stop.signal)]
  onTestFinished(async () => {
    stop.abort()
    await Promise.allSettled(running)
    await store[Symbol.asyncDispose]()
  })
  const revoke = (id: string): Promise<number> =>
    store.write((tx) => revocations.write(tx, [{ kind: 'owner', id }]))
  return { store, revocations, publisher, revoke }
}

type Server = Awaited<ReturnType<typeof startServer>>

/** Reads the feed of a server, each message verified and taken, until it goes to another. */
function reader() {
  const state = new FollowedState()
  const taken: string[] = []
  let end = (): void => {}
  let taking = Promise.resolve()
  const take = ({ id, data }: FeedEvent): Promise<void> => {
    taking = taking.then(async () => {
      const keyOf = async () => spkiOf(feedKey.publicKey)
      state.take(await readFeedMessage(data, { issuer, keyOf }), systemClock.monotonicMs())
      taken.push(id)
    })
    return taking
  }
  return {
    state,
    taken,
    failed: () => taking,
    async follow({ publisher }: Server, nonce: string): Promise<number> {
      end()
      await taking
      state.begin({ nonce, sentAtMs: systemClock.monotonicMs() })
      const { lastEventId } = state
      // As streams do: what comes meanwhile goes behind the opening.
      const waiting: FeedEvent[] = []
      let opened = false
      const subscription = publisher.subscribe({
        ...{ nonce, lastEventId, withinMs: 250 },
        onEvent: (e) => void (opened ? take(e) : waiting.push(e)),
      })
      end = subscription.end
      const before = taken.length
      for await (const event of subscription.opening) await take(event)
      const missed = taken.length - before
      opened = true
      await Promise.all(waiting.map(take))
      return missed
    },
  }
}

test('what one server revokes the other refuses and tells by itself, in one chain', async () => {
  const database = await tempDatabase()
  const [a, b] = [await startServer(database), await startServer(database)]
  await a.store.write((tx) => putAuthority(tx, authorityOf('oauth')))
  const atB = reader()
  await atB.follow(b, 'first')
  await a.revoke('team-a')
  await eventually(() => atB.state.facts.find('owner', 'team-a') !== undefined)
  expect(b.revocations.judge({ owner: 'team-a', iat: 1 })).toMatchObject({ kind: 'owner' })

  await Promise.all(Array.from({ length: 40 }, (_, at) => [a, b][at % 2]?.revoke(`team-${at}`)))
  await eventually(() => atB.state.facts.size === 41)
  await eventually(() => a.revocations.size === 41)
  expect(a.revocations.head).toEqual(b.revocations.head)

  // The reader goes over to the other server, where it stood: no snapshot, nothing lost.
  const before = atB.state.lastEventId
  await b.revoke('meanwhile')
  await eventually(() => a.revocations.find('owner', 'meanwhile') !== undefined)
  expect(await atB.follow(a, 'second')).toBe(1)
  expect(before?.split('.')[0]).toBe(a.store.logId)
  expect(atB.state.facts.find('owner', 'meanwhile')).toBeDefined()
  await atB.failed()
})

test('heartbeats come by themselves, and a server that cannot read the log has none', async () => {
  const database = await tempDatabase()
  const server = await startServer(database)
  const beating = reader()
  await beating.follow(server, 'first')
  const before = beating.taken.length
  await eventually(() => beating.taken.length >= before + 3)
  await eventually(() => beating.state.ageMs(systemClock.monotonicMs(), systemClock.now()) < 700)
  await database.execute('alter table changes rename to changes_away')
  onTestFinished(() => database.execute('alter table changes_away rename to changes'))
  await eventually(() => beating.state.ageMs(systemClock.monotonicMs(), systemClock.now()) > 700)
})
