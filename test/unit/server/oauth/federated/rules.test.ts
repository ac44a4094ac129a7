import { expect, test } from 'vitest'
import { claimText } from '../../../../../server/oauth/federated/claims.ts'
import { ruleFor, ruleId } from '../../../../../server/oauth/federated/rules.ts'
import { SpiffeId } from '../../../../../src/spiffe-id/spiffe-id.ts'

test('a claim is one value, of its own, as text', () => {
  const claims = {
    ...{ text: 'a', whole: 7, truth: true, list: ['a'], part: 1.5, large: 2 ** 60, nothing: null },
    'kubernetes.io': { pod: { uid: 'p' }, serviceaccount: ['uid'] },
    'https://claims.example/role': 'deploy',
  }
  const read = (name: string): string | undefined => claimText(claims, name)
  expect(['text', 'whole', 'truth'].map(read)).toEqual(['a', '7', 'true'])
  for (const name of ['list', 'part', 'large', 'nothing', 'absent', 'constructor', '__proto__']) {
    expect(read(name)).toBeUndefined()
  }
  expect(claimText(Object.create({ text: 'inherited' }), 'text')).toBeUndefined()
  expect(read('kubernetes.io/pod/uid')).toBe('p')
  expect(read('https://claims.example/role')).toBe('deploy')
  for (const name of ['serviceaccount/0', 'serviceaccount/length', 'pod', 'pod/uid/length']) {
    expect(read(`kubernetes.io/${name}`)).toBeUndefined()
  }
})

test('the first rule counts all of whose claims are there, to the letter', () => {
  const rule = (match: Readonly<Record<string, string>>, path: string) => ({
    id: path,
    match: new Map(Object.entries(match)),
    as: SpiffeId.parse(`spiffe://example.org/${path}`),
    issue: new Set(['access_token'] as const),
  })
  const rules = [
    rule({ project_id: '20', ref: 'main' }, 'release'),
    rule({ project_id: '20' }, 'any'),
    rule({ project_id: '20', ref: 'next' }, 'never'),
  ]
  const found = (claims: object) => ruleFor(rules, { ...claims })?.as
  expect(found({ project_id: '20', ref: 'main' })).toBe('spiffe://example.org/release')
  expect(found({ project_id: 20, ref: 'next' })).toBe('spiffe://example.org/any')
  for (const project_id of ['2', '020', '20 ', ' 20', '200', undefined]) {
    expect(found({ project_id, ref: 'main' })).toBeUndefined()
  }
})

test('a rule is the same as long as its issuer, its claims and its ID are, and no longer', () => {
  const web = {
    match: new Map([['project_id', '20']]),
    as: SpiffeId.parse('spiffe://a.example/web'),
  }
  const other = SpiffeId.parse('spiffe://a.example/other')
  const ids = [
    ruleId('https://one.example', web),
    ruleId('https://two.example', web),
    ruleId('https://one.example', { ...web, as: other }),
    ruleId('https://one.example', { ...web, match: new Map([['project_id', '21']]) }),
    ruleId('https://one.example', { ...web, match: new Map([['namespace_id', '20']]) }),
  ]
  expect(new Set(ids).size).toBe(ids.length)
  expect(ruleId('https://one.example', { ...web, match: new Map(web.match) })).toBe(ids[0])
})
