import { describe, expect, test } from 'vitest'
import { exchangeKeys } from '../../../../../server/broker/call/exchange-keys.ts'
import type { CredentialRecord } from '../../../../../server/broker/keys/credential-file.ts'
import { keysWith, vendorKey } from '../../../../../server/broker/keys/vendor-key.ts'
import type { Route } from '../../../../../server/broker/routes/routes.ts'
import { scrubText } from '../../../../../server/broker/vendor/scrubber.ts'
import { Secret } from '../../../../../src/runtime/secret.ts'
import { FakeClock } from '../../../../../src/testing/fake-clock.ts'

const hourMs = 3_600_000
const keyOf = (text: string) => vendorKey(new Secret(text), { kind: 'query', name: 'key' })

function start(maxAgeSeconds?: number) {
  const clock = new FakeClock()
  const upstream = new URL('https://api.acme.test')
  const integration = { id: 'acme', upstream, maxAgeSeconds }
  const old = keysWith(keyOf('the-old-key'), undefined)
  const routeOf = (keys: Route['keys']) => ({ integration, keys }) as Route
  const route = routeOf(keysWith(keyOf('the-new-key'), old))
  const previous = {
    since: new Date(clock.now().getTime() - 5 * hourMs),
    replacedAt: clock.now(),
    lastUsed: undefined,
  }
  const keys = exchangeKeys(routeOf(old), {
    routes: () => new Map([['acme', route]]),
    record: () => ({ previous }) as CredentialRecord,
    onFallback: () => {},
    clock,
  })
  return { clock, usable: () => keys.usable().map(({ secret }) => secret.reveal()) }
}

test('the key before may be used for an hour', async () => {
  const { clock, usable } = start()
  await clock.advance(hourMs)
  expect(usable()).toEqual(['the-new-key', 'the-old-key'])
  await clock.advance(1)
  expect(usable()).toEqual(['the-new-key'])
})

describe('of a call that is under way while the key changes,', () => {
  const upstream = new URL('https://api.acme.test')
  const routeOf = (keys: Route['keys'], at = upstream) =>
    ({ integration: { id: 'acme', upstream: at }, keys }) as Route
  const [one, two, three] = ['key-number-one', 'key-number-two', 'key-number-three'].map(keyOf)
  const first = keysWith(one ?? expect.fail(), undefined)
  const third = keysWith(three ?? expect.fail(), keysWith(two ?? expect.fail(), first))
  const exchange = (now: Route, fellBack: string[] = []) =>
    exchangeKeys(routeOf(first), {
      routes: () => new Map([['acme', now]]),
      record: () => undefined,
      onFallback: (key) => void fellBack.push(key),
      clock: new FakeClock(),
    })
  const used = (now: Route) =>
    exchange(now)
      .usable()
      .map(({ secret }) => secret.reveal())
  const hidden = (now: Route) => {
    const { forms } = exchange(now)
    return ['one', 'two', 'three'].filter((n) =>
      scrubText(`key-number-${n}`, forms()).startsWith('*'),
    )
  }

  test('the new one is sent, and that which it began with and those that came since are taken out of the answer', () => {
    expect(used(routeOf(third))).toEqual(['key-number-three'])
    expect(hidden(routeOf(third))).toEqual(['one', 'two', 'three'])
    expect(hidden(routeOf(first))).toEqual(['one'])
  })

  test.each(['https://api.other.test', 'https://api.acme.test:8443'])(
    'the key of another vendor, %s, is never sent to this one',
    (other) => {
      const elsewhere = routeOf(keysWith(three ?? expect.fail(), undefined), new URL(other))
      expect(used(elsewhere)).toEqual(['key-number-one'])
      expect(hidden(elsewhere)).toEqual(['one'])
    },
  )

  test('it is told which one was tried second', () => {
    const fellBack: string[] = []
    const keys = exchange(routeOf(third), fellBack)
    for (const key of [third.current, third.previous]) keys.fellBack(key ?? expect.fail())
    expect(fellBack).toEqual(['current', 'previous'])
  })
})

test('a key that is read again and is the same leaves the one before it what it was', () => {
  const old = keysWith(keyOf('the-old-key'), undefined)
  const now = keysWith(keyOf('the-new-key'), old)
  const again = keysWith(keyOf('the-new-key'), now)
  expect(again.previous).toBe(old.current)
  expect(scrubText('the-old-key', again.forms)).toBe('*'.repeat(11))
})

test('but never when it is older than a key may be', async () => {
  const { clock, usable } = start((5.5 * hourMs) / 1000)
  await clock.advance(hourMs / 2)
  expect(usable()).toEqual(['the-new-key', 'the-old-key'])
  await clock.advance(1)
  expect(usable()).toEqual(['the-new-key'])
})
