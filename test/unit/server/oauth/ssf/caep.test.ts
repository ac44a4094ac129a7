import { expect, test } from 'vitest'
import { eventsOfFact } from '../../../../../server/oauth/ssf/caep.ts'
import { factKinds } from '../../../../../src/revocation/fact.ts'

const telling = { issuer: 'https://as.example.org', at: 1_800_000_000 }

test.for([
  ['token', 'j', [['session-revoked', { format: 'jwt_id', iss: telling.issuer, jti: 'j' }]]],
  ['transaction', 't', [['session-revoked', { format: 'opaque', id: 't' }]]],
  [
    'spiffe-id',
    'spiffe://a/b',
    [
      ['session-revoked', { format: 'uri', uri: 'spiffe://a/b' }],
      ['credential-change', { format: 'uri', uri: 'spiffe://a/b' }],
    ],
  ],
  ['entry', 'e', [['session-revoked', { format: 'opaque', id: 'e' }]]],
  [
    'owner',
    'team',
    [['session-revoked', { format: 'complex', group: { format: 'opaque', id: 'team' } }]],
  ],
  [
    'audience',
    'https://api',
    [
      [
        'session-revoked',
        { format: 'complex', application: { format: 'uri', uri: 'https://api' } },
      ],
    ],
  ],
  [
    'trust-domain',
    'a',
    [['credential-change', { format: 'complex', tenant: { format: 'uri', uri: 'spiffe://a' } }]],
  ],
  [
    'audience',
    'orders',
    [['session-revoked', { format: 'complex', application: { format: 'opaque', id: 'orders' } }]],
  ],
  ['key', 'k', [['credential-change', { format: 'opaque', id: 'k' }]]],
] as const)('CAEP 1.0 §3 a fact of kind %s', ([kind, id, expected]) => {
  const events = eventsOfFact({ kind, id }, telling)
  expect(events.map(({ name, subject }) => [name, subject])).toEqual(expected)
})

test('CAEP 1.0 §2 every fact is at least one event, with the time in seconds and what it is about', () => {
  for (const kind of factKinds) {
    const events = eventsOfFact({ kind, id: 'spiffe://a/b' }, telling)
    expect(events.length).toBeGreaterThan(0)
    for (const { name, event } of events) {
      expect(event).toMatchObject({ event_timestamp: telling.at, initiating_entity: 'system' })
      if (name === 'credential-change') expect(event).toMatchObject({ change_type: 'revoke' })
    }
  }
})
