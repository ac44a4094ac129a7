import { describe, expect, test } from 'vitest'
import { eventWriter } from '../../../../../server/oauth/ssf/event-writer.ts'
import type { EventStream } from '../../../../../server/oauth/ssf/settings.ts'
import { outboxEvents } from '../../../../../server/store/event-outbox.ts'
import { type FactKind, factKinds } from '../../../../../src/revocation/fact.ts'
import { FakeClock } from '../../../../../src/testing/fake-clock.ts'
import { tempStore } from '../../store/fixture.ts'

const web = 'spiffe://example.org/web'

/** The names of the events that a stream is told of one fact. */
async function told(
  said: Partial<EventStream>,
  kind: FactKind,
  id: string,
): Promise<readonly (string | undefined)[]> {
  const stream: EventStream = {
    ...{ id: 'siem', audience: 'https://siem.example', receivers: new Set() },
    ...{ events: new Set(['session-revoked', 'credential-change']), push: undefined },
    ...{ subjects: undefined, ...said },
  }
  await using store = await tempStore()
  const tell = eventWriter({
    ...{ issuer: 'https://as.example.org', logId: 'a'.repeat(32), clock: new FakeClock() },
    streams: new Map([[stream.id, stream]]),
  })
  const fact = { kind, id, number: 7, notBefore: 0, endsAt: 0 }
  await store.write(async (tx) => tell?.(tx, [fact]))
  return (await outboxEvents(store.db, stream.id, 10)).map(({ body }) => {
    const { txn, events } = JSON.parse(body) as { txn: string; events: object }
    expect(txn).toBe(`${'a'.repeat(32)}.7`)
    return Object.keys(events)[0]?.split('/').at(-1)
  })
}

describe('T20 a stream with subjects', () => {
  const subjects = ['spiffe://example.org/shop/*', web]

  test.for([
    ['spiffe-id', web, 2],
    ['spiffe-id', `${web}/x`, 0],
    ['spiffe-id', `${web}x`, 0],
    ['spiffe-id', 'spiffe://example.org/shop/a', 2],
    ['spiffe-id', 'spiffe://example.org/shop/a/b', 2],
    ['spiffe-id', 'spiffe://example.org/shop', 0],
    ['spiffe-id', 'spiffe://example.org/shopper', 0],
    ['node', 'spiffe://example.org/shop/node', 2],
    ['node', 'spiffe://example.org/spire/agent/x', 0],
    ['key', 'k', 1],
    ['trust-domain', 'example.org', 1],
  ] as const)('is told of %s %s in %i events', async ([kind, id, count]) => {
    expect((await told({ subjects }, kind, id)).length).toBe(count)
  })

  test('is told of nothing else, not even where it has the name of a subject', async () => {
    for (const kind of [
      'token',
      'transaction',
      'entry',
      'owner',
      'audience',
      'integration',
    ] as const) {
      expect(await told({ subjects }, kind, web)).toEqual([])
    }
  })
})

test('a stream without subjects is told of every fact, and each by the events that it takes', async () => {
  for (const kind of factKinds) {
    const all = await told({}, kind, web)
    expect(all.length).toBeGreaterThan(0)
    const ended = await told({ events: new Set(['session-revoked']) }, kind, web)
    expect(ended).toEqual(all.filter((name) => name === 'session-revoked'))
  }
})
