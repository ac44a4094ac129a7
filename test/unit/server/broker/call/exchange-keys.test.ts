import { expect, test } from 'vitest'
import { exchangeKeys } from '../../../../../server/broker/call/exchange-keys.ts'
import type { CredentialRecord } from '../../../../../server/broker/keys/credential-file.ts'
import { keysWith, vendorKey } from '../../../../../server/broker/keys/vendor-key.ts'
import type { Route } from '../../../../../server/broker/routes/routes.ts'
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

test('but never when it is older than a key may be', async () => {
  const { clock, usable } = start((5.5 * hourMs) / 1000)
  await clock.advance(hourMs / 2)
  expect(usable()).toEqual(['the-new-key', 'the-old-key'])
  await clock.advance(1)
  expect(usable()).toEqual(['the-new-key'])
})
