import { describe, expect, test } from 'vitest'
import type { EntryInput, RuleContext } from '../../../../server/entry/entry-input.ts'
import { checkEntry } from '../../../../server/entry/rules.ts'
import { warningsFor } from '../../../../server/entry/warnings.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { entryOf, selectorsOf, trustDomain } from './samples.ts'

const now = new Date('2026-06-01T12:00:00.700Z')
const context: RuleContext = {
  trustDomain,
  now,
  newId: () => 'made-here',
  knowsTrustDomain: (name) => name === 'known.example',
  selectorTypes: ['badge'],
}
const agent = 'spiffe://example.org/spire/agent/join_token/a'
const input: EntryInput = {
  spiffeId: 'spiffe://example.org/web',
  parentId: agent,
  selectors: selectorsOf('uid:1000'),
}

function refusal(changes: Partial<EntryInput>, within: Partial<RuleContext> = {}): unknown {
  try {
    checkEntry({ ...input, ...changes }, { ...context, ...within })
  } catch (error) {
    return error
  }
  return undefined
}

describe('checkEntry', () => {
  test('what is not given gets its default', () => {
    expect(checkEntry(input, context)).toEqual(
      entryOf({ id: 'made-here', spiffeId: checkEntry(input, context).spiffeId }),
    )
  })

  test('what is given is kept, in canonical form', () => {
    const entry = checkEntry(
      {
        ...input,
        id: 'given.id_1',
        selectors: [...selectorsOf('uid:2', 'uid:1'), ...selectorsOf('uid:1')].reverse(),
        x509SvidTtlSeconds: 0x7fffffff,
        jwtSvidTtlSeconds: 60,
        federatesWith: ['known.example', 'spiffe://known.example'],
        admin: true,
        downstream: false,
        expiresAt: new Date('2026-06-01T12:00:05.900Z'),
        dnsNames: ['web.example.org', 'a', 'web.example.org'],
        hint: 'internal',
        owner: 'team-pay',
        purpose: 'invoices',
        labels: { tier: '1', env: 'prod' },
      },
      context,
    )
    expect(entry.id).toBe('given.id_1')
    expect(entry.selectors).toEqual(selectorsOf('uid:1', 'uid:2'))
    expect(entry.federatesWith).toEqual(['known.example'])
    expect(entry.expiresAt).toEqual(new Date('2026-06-01T12:00:05Z'))
    expect(entry.createdAt).toEqual(new Date('2026-06-01T12:00:00Z'))
    expect(entry.dnsNames).toEqual(['web.example.org', 'a'])
    expect(Object.keys(entry.labels)).toEqual(['env', 'tier'])
    // One right never turns into the other.
    expect(entry).toMatchObject({ admin: true, downstream: false })
    expect(Object.isFrozen(entry)).toBe(true)
  })

  test('what is good once has an id of its own, whether or not that was asked for', () => {
    const { jwtSvidIncludeJti, jwtSvidSingleUse } = checkEntry(
      { ...input, jwtSvidSingleUse: true, jwtSvidIncludeJti: false },
      context,
    )
    expect([jwtSvidIncludeJti, jwtSvidSingleUse]).toEqual([true, true])
    const plain = checkEntry(input, context)
    expect([plain.jwtSvidIncludeJti, plain.jwtSvidSingleUse]).toEqual([false, false])
  })

  test.each<[string, Partial<EntryInput>]>([
    ['entry-id', { id: 'a b' }],
    ['entry-id', { id: 'a/b' }],
    ['entry-id', { id: 'a'.repeat(256) }],
    ['entry-spiffe-id', { spiffeId: '' }],
    ['entry-spiffe-id', { spiffeId: 'spiffe://example.org' }],
    ['entry-spiffe-id', { spiffeId: 'spiffe://example.org/' }],
    ['entry-spiffe-id', { spiffeId: 'spiffe://other.example/web' }],
    ['entry-spiffe-id', { spiffeId: 'spiffe://example.org/spire' }],
    ['entry-spiffe-id', { spiffeId: 'spiffe://example.org/spire/server' }],
    ['entry-spiffe-id', { spiffeId: agent }],
    ['entry-parent-id', { parentId: '' }],
    ['entry-parent-id', { parentId: 'spiffe://example.org' }],
    ['entry-parent-id', { parentId: 'spiffe://other.example/spire/agent/x' }],
    ['entry-parent-id', { parentId: 'spiffe://example.org/web' }],
    ['entry-parent-id', { parentId: 'spiffe://example.org/spire/other' }],
    ['entry-selectors', { selectors: [] }],
    [
      'entry-selectors',
      { selectors: selectorsOf(...Array.from({ length: 65 }, (_, at) => `${at}`)) },
    ],
    ['selector-type', { selectors: [{ type: 'a:b', value: 'c' }] }],
    ['selector-value', { selectors: [{ type: 'unix', value: '' }] }],
    ['entry-ttl', { x509SvidTtlSeconds: -1 }],
    ['entry-ttl', { jwtSvidTtlSeconds: 0x80000000 }],
    ['entry-ttl', { x509SvidTtlSeconds: 1.5 }],
    ['entry-ttl', { x509SvidTtlSeconds: Number.NaN }],
    ['entry-federates-with', { federatesWith: ['unknown.example'] }],
    ['entry-federates-with', { federatesWith: ['example.org'] }],
    ['entry-federates-with', { federatesWith: ['Known.example'] }],
    ['entry-federates-with', { federatesWith: Array(101).fill('known.example') }],
    ['entry-expires-at', { expiresAt: now }],
    ['entry-expires-at', { expiresAt: new Date(Number.NaN) }],
    ['entry-dns-names', { dnsNames: ['*.example.org'] }],
    ['entry-dns-names', { dnsNames: ['Web.example.org'] }],
    ['entry-dns-names', { dnsNames: ['-a.example.org'] }],
    ['entry-dns-names', { dnsNames: ['a_b'] }],
    ['entry-dns-names', { dnsNames: ['a..b'] }],
    ['entry-dns-names', { dnsNames: ['a.'] }],
    ['entry-dns-names', { dnsNames: [''] }],
    ['entry-dns-names', { dnsNames: ['10.0.0.1'] }],
    ['entry-dns-names', { dnsNames: [`${'a'.repeat(64)}.example`] }],
    ['entry-dns-names', { dnsNames: [`${'a.'.repeat(127)}a`] }],
    ['entry-dns-names', { dnsNames: Array.from({ length: 101 }, (_, at) => `a${at}`) }],
    ['entry-owner', { owner: 'a'.repeat(257) }],
    ['entry-purpose', { purpose: 'a\nb' }],
    ['entry-labels', { labels: { Env: 'prod' } }],
    ['entry-labels', { labels: { '': 'prod' } }],
    ['entry-labels', { labels: JSON.parse('{"__proto__":"x"}') }],
    ['entry-labels', { labels: { [`a${'b'.repeat(63)}`]: 'x' } }],
    ['entry-labels', { labels: { env: 'ä'.repeat(129) } }],
    ['entry-labels', { labels: Object.fromEntries([...Array(33).keys()].map((n) => [n, ''])) }],
    [
      'entry-store-svid',
      { storeSvid: true, selectors: [...selectorsOf('a'), { type: 'k8s', value: 'b' }] },
    ],
    [
      'entry-size',
      { selectors: selectorsOf(...Array.from({ length: 64 }, (_, at) => `${at}`.padEnd(1024))) },
    ],
  ])('refuses with %s: %j', (reason, changes) => {
    expect(refusal(changes)).toMatchObject({ code: 'invalid', reason })
  })

  test('WLA-71 a hint has at most 1024 bytes, not characters', () => {
    expect(refusal({ hint: 'a'.repeat(1024) })).toBeUndefined()
    expect(refusal({ hint: 'ä'.repeat(512) })).toBeUndefined()
    expect(refusal({ hint: 'a'.repeat(1025) })).toMatchObject({ reason: 'entry-hint' })
    expect(refusal({ hint: 'ä'.repeat(513) })).toMatchObject({ reason: 'entry-hint' })
  })

  test('ID-17 an ID of 2048 bytes can be registered', () => {
    const spiffeId = 'spiffe://example.org/'.padEnd(2048, 'a')
    expect(refusal({ spiffeId })).toBeUndefined()
    expect(refusal({ parentId: spiffeId })).toBeUndefined()
  })

  test('ID-18 an ID of 2049 bytes cannot', () => {
    const spiffeId = 'spiffe://example.org/'.padEnd(2049, 'a')
    expect(refusal({ spiffeId })).toMatchObject({ reason: 'entry-spiffe-id' })
  })

  test('the server, an agent and any other ID can be a parent', () => {
    for (const path of ['/spire/server', '/spire/agent/x509pop/1', '/cluster', '/spireling']) {
      expect(refusal({ parentId: `spiffe://example.org${path}` })).toBeUndefined()
    }
  })

  test('an entry that is replaced keeps its id and age, and what it already had', () => {
    const current = entryOf({
      id: 'old',
      revision: 4,
      createdAt: new Date('2026-01-01T00:00:00Z'),
      expiresAt: new Date('2026-05-01T00:00:00Z'),
      federatesWith: [TrustDomain.parse('gone.example')],
    })
    const kept = { expiresAt: current.expiresAt, federatesWith: current.federatesWith }
    const entry = checkEntry({ ...input, ...kept, id: 'other' }, { ...context, current })
    expect(entry).toMatchObject({ id: 'old', revision: 5, createdAt: current.createdAt, ...kept })
    const passed = new Date('2026-05-02T00:00:00Z')
    expect(refusal({ expiresAt: passed }, { current })).toMatchObject({
      reason: 'entry-expires-at',
    })
  })
})

describe('the type of a selector', () => {
  test.each([
    ['unx', '"unix"'],
    ['k8', '"k8s"'],
    ['badg', '"badge"'],
    ['uid', '"unix:uid"'],
  ])('%s is refused, with what was probably meant', (type, meant) => {
    const error = refusal({ selectors: [{ type, value: 'KEY=hunter2' }] })
    expect(error).toMatchObject({
      reason: 'selector-type-unknown',
      message: expect.stringContaining(`did you mean ${meant}?`),
      fix: expect.stringContaining('selector_types'),
    })
    expect(String(error)).not.toContain('hunter2')
  })

  test('that the operator names is as good as any', () => {
    expect(refusal({ selectors: [{ type: 'badge', value: '17' }] })).toBeUndefined()
  })

  test('that an entry has from before stays, and brings no other in', () => {
    const selectors = [{ type: 'gone', value: 'x' }]
    const current = entryOf({ id: 'a', selectors })
    expect(refusal({ selectors }, { current })).toBeUndefined()
    expect(refusal({ selectors: [{ type: 'lost', value: 'x' }] }, { current })).toMatchObject({
      reason: 'selector-type-unknown',
    })
  })
})

test('the entry with which the controller manager for Kubernetes asks what there is passes, and nothing like it', () => {
  const path = 'spiffe://example.org/spire-controller-manager/unsupported-fields-test'
  const probe = { spiffeId: path, parentId: path, selectors: [{ type: 'a', value: '1' }] }
  expect(refusal(probe)).toBeUndefined()
  expect(refusal({ ...probe, spiffeId: `${path}s`, parentId: `${path}s` })).toBeDefined()
  expect(refusal({ ...probe, parentId: agent })).toMatchObject({ reason: 'selector-type-unknown' })
  const foreign = path.replace('example.org', 'evil.test')
  expect(refusal({ ...probe, spiffeId: foreign, parentId: foreign })).toMatchObject({
    reason: 'entry-spiffe-id',
  })
})

describe('warningsFor', () => {
  const warn = (changes: Partial<EntryInput>, known = true): readonly string[] =>
    warningsFor(checkEntry({ ...input, ...changes }, context), { knowsId: () => known })

  test('an ordinary entry gets none', () => {
    expect(warn({})).toEqual([])
    expect(warn({ selectors: [{ type: 'k8s', value: 'pod-label:app:web' }] })).toEqual([])
    expect(warn({ selectors: [{ type: 'x509pop', value: 'anything' }] })).toEqual([])
  })

  test('a parent that nobody has is named', () => {
    expect(warn({}, false)).toEqual([expect.stringContaining(agent)])
  })

  test.each([
    ['unix', 'uuid:0', '"unix:uid:"'],
    ['unix', 'uid', '"unix:uid:"'],
  ])('%s:%s was meant otherwise', (type, value, meant) => {
    expect(warn({ selectors: [{ type, value }] })).toEqual([
      expect.stringContaining(`did you mean ${meant}?`),
    ])
  })

  test('what would make every process of root a holder is said, and what makes an admin', () => {
    expect(warn({ selectors: selectorsOf('uid:0') })).toHaveLength(1)
    expect(warn({ selectors: selectorsOf('uid:0', 'path:/usr/bin/web') })).toEqual([])
    expect(warn({ admin: true })).toHaveLength(1)
  })

  test('no warning repeats what a selector holds', () => {
    const selectors = [
      { type: 'docker', value: 'env:KEY=hunter2' },
      { type: 'docker', value: 'hunter2' },
    ]
    expect(warn({ selectors }).join()).not.toContain('hunter2')
  })
})
