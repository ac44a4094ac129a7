import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { federatedSchema, readFederated } from '../../../../../server/oauth/federated/settings.ts'
import { parseConfig } from '../../../../../src/runtime/config-file.ts'
import { runHere } from '../../../../support/command.ts'
import { trustDomain } from '../../../../support/running-server.ts'

const as = 'spiffe://example.org/ci'
const jwtIssuer = 'https://oidc.example.org'
const own = { issuer: 'https://as.example.org', jwtIssuer, trustDomain }
const github = {
  issuer: 'https://token.actions.githubusercontent.com',
  kind: 'github',
  audience: own.issuer,
  rules: [{ match: { repository_id: '74' }, as }],
}
const gitlab = { ...github, issuer: 'https://gitlab.com', kind: 'gitlab' }
const cluster = { ...github, issuer: 'https://kubernetes.default.svc', kind: 'kubernetes' }
const oidc = { ...github, issuer: 'https://id.example', kind: 'oidc' }
const account = 'kubernetes.io/serviceaccount/uid'

const read = (...said: readonly object[]) => readFederated(federatedSchema.parse(said), own)
const matching = (one: object, match: object) => read({ ...one, rules: [{ match, as }] })

test('what is not said is pinned: RS256, ten minutes, once, and access tokens alone', () => {
  const other = { ...oidc, rules: [{ match: { sub: '1' }, as }] }
  for (const issuer of read(github, other).values()) {
    expect(issuer).toMatchObject({ maxAgeSeconds: 600, singleUse: true, keys: { at: 'discovery' } })
    expect([...issuer.algorithms]).toEqual(['RS256'])
    expect([...(issuer.rules[0]?.issue ?? [])]).toEqual(['access_token'])
  }
  expect(readFederated([], own).size).toBe(0)
})

test('a pod may show its token again for its hour, and a job of GitLab once', () => {
  const rules = [{ match: { [account]: 'a' }, as }]
  const [pod] = read({ ...cluster, rules }).values()
  expect(pod).toMatchObject({ maxAgeSeconds: 3600, singleUse: false })
  const [job] = read({ ...gitlab, rules: [{ match: { project_id: '1' }, as }] }).values()
  expect(job).toMatchObject({ maxAgeSeconds: 3600, singleUse: true })
})

describe('a rule names what is given once and stays, or is told what to write:', () => {
  const mutable: readonly (readonly [object, object, string])[] = [
    [github, { repository: 'shop/orders' }, 'match repository_id'],
    [github, { repository_owner: 'shop' }, 'match repository_owner_id'],
    [github, { repository_id: '74', actor: 'octocat' }, 'match actor_id, beside repository_id'],
    [github, { repository_id: '74', head_ref: 'main' }, 'match ref'],
    [github, { repository_id: '74', base_ref: 'main' }, 'match ref'],
    [github, { sub: 'repo:shop/orders:ref:refs/heads/main' }, 'match repository_id, and ref'],
    [github, { workflow: 'deploy' }, 'match job_workflow_ref, beside repository_id'],
    // What anybody's repository may call, and whom anybody may have press a button.
    [github, { job_workflow_ref: 'o/r/.github/workflows/w.yml@refs/heads/main' }, 'match repo'],
    [github, { job_workflow_sha: 'f', ref: 'refs/heads/main' }, 'match repository_id or repo'],
    [github, { actor_id: '12' }, 'match repository_id or repository_owner_id'],
    [github, { repository_ids: '74' }, 'did you mean repository_id?'],
    [github, { project_id: '74' }, 'match one of repository_id, repository_owner_id, ref,'],
    [github, { aud: own.issuer }, 'match one of repository_id'],
    [github, {}, 'match repository_id or repository_owner_id'],
    [github, { repository_id: '*' }, 'for several values write several rules'],
    [github, { repository_id: '74', ref: 'refs/tags/v?' }, 'write the value out'],
    [gitlab, { project_path: 'shop/orders' }, 'match project_id'],
    [gitlab, { namespace_path: 'shop' }, 'match namespace_id'],
    [gitlab, { project_id: '20', user_login: 'sam' }, 'match user_id, beside project_id'],
    [gitlab, { job_project_id: '20' }, 'match project_id or namespace_id'],
    [gitlab, { project_id: '20', job_project_path: 'shop' }, 'match job_project_id, beside'],
    [gitlab, { ref_protected: 'true' }, 'match project_id or namespace_id'],
    [gitlab, { user_id: '1' }, 'match project_id or namespace_id'],
    [oidc, { email: 'ci@example.org' }, 'match sub'],
    [oidc, { azp: 'a', client_id: 'a', tid: 't', oid: 'o' }, 'match sub, and beside it'],
    [oidc, { sub: 'repo:shop/orders:ref:refs/heads/main' }, 'write kind: github'],
    [oidc, { sub: 'project_path:shop/orders' }, 'write kind: gitlab'],
    [oidc, { sub: 'system:serviceaccount:shop:orders' }, 'write kind: kubernetes'],
    [cluster, { sub: 'system:serviceaccount:shop:orders' }, `match ${account}, and`],
    [cluster, { 'kubernetes.io/namespace': 'shop' }, `match ${account}, and beside`],
    [cluster, { 'kubernetes.io/pod/name': 'orders-1' }, `match ${account}`],
    [cluster, { 'kubernetes.io/serviceaccount/uuid': 'a' }, `did you mean ${account}?`],
  ]

  test.for(mutable)('%$', ([one, match, fix]) => {
    expect(() => matching(one, match)).toThrow(
      expect.objectContaining({
        reason: 'config-oauth-federation',
        fix: expect.stringContaining(fix),
      }),
    )
  })

  test('what narrows may stand beside it', () => {
    const size = (one: object, match: object): number => matching(one, match).size
    expect(size(github, { repository_owner_id: '65', job_workflow_sha: 'f' })).toBe(1)
    expect(size(gitlab, { project_id: '20', ref_protected: 'true' })).toBe(1)
    expect(size(cluster, { [account]: 'a', 'kubernetes.io/namespace': 'shop' })).toBe(1)
    expect(size(oidc, { sub: '1' })).toBe(1)
  })
})

test.for<[string, object, string]>([
  ['itself', { ...github, issuer: own.issuer }, 'name each issuer once'],
  ['the issuer of its JWT-SVIDs', { ...oidc, issuer: jwtIssuer }, 'name each issuer once'],
  ['GitHub as something else', { ...github, kind: 'oidc' }, 'write kind: github'],
  ['GitLab as something else', { ...gitlab, kind: 'github' }, 'write kind: gitlab'],
  ['a query', { ...github, issuer: 'https://id.example?x' }, 'as in `iss`'],
  ['a fragment', { ...github, issuer: 'https://id.example#x' }, 'as in `iss`'],
  ['GitHub’s own audience', { ...github, audience: 'https://github.com/shop' }, 'alone'],
  [
    'the audience of an Enterprise Server',
    {
      ...{ ...github, issuer: 'https://git.example/_services/token' },
      audience: 'https://git.example/shop',
    },
    'alone',
  ],
  [
    'the audience of GHE.com',
    {
      ...{ ...github, issuer: 'https://token.actions.shop.ghe.com' },
      audience: 'https://shop.ghe.com/shop',
    },
    'alone',
  ],
  ['GitHub’s audience for another kind', { ...oidc, audience: 'https://github.com/shop' }, 'alone'],
  ['GHE.com’s audience for another kind', { ...oidc, audience: 'https://a.ghe.com/a' }, 'alone'],
  ['the API server’s audience', { ...cluster, audience: cluster.issuer }, 'for this server alone'],
  ['a day of reuse', { ...github, single_use: false, max_age: '2h' }, 'max_age to 1h or less'],
  ['two days', { ...github, max_age: '2d' }, 'max_age to 24h or less'],
  ['keys in two places', { ...github, jwks: 'https://a.b', jwks_file: '/k' }, 'jwks or jwks_file'],
  [
    'a review of GitHub’s tokens',
    { ...github, token_review: { url: 'https://a.b', ca_file: '/c', token_file: '/t' } },
    'leave it out',
  ],
  ['a rule twice', { ...github, rules: [...github.rules, ...github.rules] }, 'leave one out'],
  [
    'a rule twice, its claims in another order',
    {
      ...github,
      rules: [
        { match: { repository_id: '74', ref: 'refs/heads/main' }, as },
        { match: { ref: 'refs/heads/main', repository_id: '74' }, as },
      ],
    },
    'leave one out',
  ],
  ...['spiffe://other.example/ci', 'spiffe://example.org', 'spiffe://example.org/spire/server'].map(
    (name): [string, object, string] => [
      name,
      { ...github, rules: [{ ...github.rules[0], as: name }] },
      'name the SPIFFE ID of an entry',
    ],
  ),
])('is refused as config-oauth-federation: %s', ([, said, fix]) => {
  expect(() => read(said)).toThrow(
    expect.objectContaining({
      reason: 'config-oauth-federation',
      fix: expect.stringContaining(fix),
    }),
  )
})

test('an issuer is named once', () => {
  expect(() => read(github, github)).toThrow(
    expect.objectContaining({ reason: 'config-oauth-federation' }),
  )
})

test.for([
  { issuer: 'http://token.example' },
  { issuer: 'https://user@token.example' },
  { algorithms: ['none'] },
  { algorithms: ['HS256'] },
  { algorithms: ['EdDSA'] },
  { algorithms: [] },
  { audience: '' },
  { audience: ['a'] },
  { kind: 'jenkins' },
  { rules: [] },
  { rules: [{ match: { repository_id: 74 }, as }] },
  { rules: [{ match: { repository_id: '74' }, as: 'web' }] },
  { rules: [{ match: { repository_id: '74' }, as, issue: ['id_token'] }] },
  { jwks: 'http://token.example/keys' },
  { allowed_networks: ['10.0.0.0/33'] },
])('is no config: %j', (said) => {
  expect(federatedSchema.safeParse([{ ...github, ...said }]).success).toBe(false)
})

test('a slip of the pen is found by its line, with the word that was meant', () => {
  const text = `
- issuer: https://token.example
  kind: github
  audience: https://as.example.org
  rules:
    - mach: {repository_id: "74"}
      as: ${as}
`
  const error = expect.objectContaining({
    message: expect.stringContaining('rules.yaml:6: unknown key "0.rules.0.mach"'),
    fix: 'did you mean "match"?',
  })
  expect(() => parseConfig(text, 'rules.yaml', federatedSchema)).toThrow(error)
})

test('countersign server run --check-config refuses a name that may change hands, and says what to write', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cs-config-'))
  const file = join(folder, 'server.yaml')
  const rules = join(folder, 'issuers.yaml')
  const server = `trust_domain: example.org
oauth:
  issuer: ${own.issuer}
  address: 127.0.0.1:8443
  certificate: web.pem
  key: web.key
  policy: policy
  resources: [{id: https://orders.example.org, scopes: [read]}]
`
  const federation = (claims: string) => `  federation:
    - issuer: https://token.actions.githubusercontent.com
      kind: github
      audience: ${own.issuer}
      rules: [{match: ${claims}, as: ${as}}]
`
  const check = (text: string) => {
    writeFileSync(file, text)
    return runHere(['server', 'run', '--check-config', '--config', file])
  }
  const inConfig = (claims: string) => check(server + federation(claims))
  const inFile = (claims: string) => {
    writeFileSync(rules, federation(claims))
    return check(`${server}  federation_file: ${rules}\n`)
  }
  try {
    for (const by of [inConfig, inFile]) {
      expect(await by('{repository_id: "74", ref: refs/heads/main}')).toMatchObject({ code: 0 })
      const { code, stderr } = await by('{repository: shop/orders}')
      expect(code).not.toBe(0)
      expect(stderr).toMatch(/repository may come to be somebody else.s[\s\S]*match repository_id/)
      expect((await by('{repository_id: 74}')).stderr).toContain('write the value in quotes')
    }
    const itself = `jwt_issuer: ${github.issuer}\n${server}`
    expect((await check(itself + federation('{repository_id: "74"}'))).stderr).toContain('itself')
    const both = `${server + federation('{repository_id: "74"}')}  federation_file: ${rules}\n`
    expect((await check(both)).stderr).toContain('write one of them')
    expect((await check(`${server}  federation_file: ${folder}/none\n`)).code).not.toBe(0)
    chmodSync(rules, 0o666)
    const loose = await inFile('{repository_id: "74"}')
    expect(loose.code).toBe(77)
    expect(loose.stderr).toMatch(/error\[oauth-file-mode\][\s\S]*fix: chmod o-w/)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
