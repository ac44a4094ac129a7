import { expect, test } from 'vitest'
import { readSsf, ssfSchema } from '../../../../../server/oauth/ssf/settings.ts'

const resources = new Map([
  ['https://events.example', { scopes: ['ssf.read'] }],
  ['https://orders.example', { scopes: ['orders:read'] }],
])
const poll = {
  ...{ id: 'siem', audience: 'https://siem.example', delivery: 'poll' },
  receivers: ['spiffe://example.org/siem'],
}
const push = {
  ...{ id: 'hook', audience: 'https://hook.example', delivery: 'push' },
  endpoint: 'https://hook.example/events',
}
const read = (...streams: readonly object[]) => readSsf(ssfSchema.parse({ streams }), resources)

test('a stream tells both events of all subjects, unless it says less', () => {
  const streams = read(poll, { ...push, events: ['session-revoked'], subjects: ['spiffe://a/*'] })
  expect(streams.get('siem')).toMatchObject({
    events: new Set(['session-revoked', 'credential-change']),
    subjects: undefined,
    push: undefined,
  })
  expect(streams.get('hook')).toMatchObject({
    events: new Set(['session-revoked']),
    subjects: ['spiffe://a/*'],
    push: { endpoint: push.endpoint, reach: { allowedNetworks: [] } },
  })
  expect(readSsf(undefined, resources).size).toBe(0)
  const { receivers: _, ...byToken } = { ...poll, audience: 'https://events.example' }
  expect(read(byToken).size).toBe(1)
})

test.for([
  [[poll, poll], 'it is there twice'],
  [[{ ...poll, receivers: undefined }], 'nobody may fetch it'],
  [[{ ...poll, receivers: undefined, audience: 'https://orders.example' }], 'nobody may fetch it'],
  [[{ ...push, endpoint: undefined }], 'endpoint is missing'],
  [[{ ...poll, endpoint: push.endpoint }], 'endpoint is for push'],
  [[{ ...poll, authorization_file: '/x' }], 'authorization_file is for push'],
  [[{ ...poll, web_ca: '/x' }], 'web_ca is for push'],
] as const)('what makes no sense is refused, %#', ([streams, message]) => {
  expect(() => read(...streams)).toThrow(
    expect.objectContaining({
      reason: 'config-oauth-ssf',
      message: expect.stringContaining(message),
    }),
  )
})

test.for([
  { ...poll, id: 'Siem' },
  { ...poll, delivery: 'pull' },
  { ...poll, events: [] },
  { ...poll, events: ['session-established'] },
  { ...poll, subjects: ['*'] },
  { ...poll, subjects: ['spiffe://a/*/b'] },
  { ...poll, receivers: ['siem'] },
  { ...push, endpoint: 'http://hook.example/events' },
  { ...push, endpoint: 'https://user@hook.example/' },
  { ...push, allowed_networks: ['10.0.0.0/33'] },
])('what is not written as it has to be is refused, %#', (stream) => {
  expect(ssfSchema.safeParse({ streams: [stream] }).success).toBe(false)
})
