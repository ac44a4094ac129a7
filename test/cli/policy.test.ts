import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { runHere } from '../support/command.ts'

const folder = mkdtempSync(join(tmpdir(), 'cs-policy-'))
const cases = join(folder, 'cases.yaml')

afterAll(() => rmSync(folder, { recursive: true, force: true }))

writeFileSync(
  join(folder, 'orders.cedar'),
  `@id("orders-for-the-shop")
permit (principal is Workload, action in Action::"getToken", resource == Api::"https://orders.example.org")
when { principal.owner == "shop" && ["orders:read"].containsAll(context.scopes) };
@id("crm-by-day")
permit (principal is Workload, action == Action::"callVendor", resource == Integration::"crm")
when { context.path like "/v2/x*" && context.time.toTime() >= duration("8h") };
@id("crm-of-a-team")
permit (principal is Workload, action == Action::"callVendor", resource == Integration::"crm")
when { context.path == "/v2/labels" && principal.hasTag("team") };
@id("not-uid-8")
forbid (principal == Operator::"uid:8", action == Action::"revoke", resource);
`,
)
const web = 'entry: {id: spiffe://example.org/web, owner: shop, labels: {env: prod}}'
const orders = 'resource: {id: https://orders.example.org, env: prod}'
const all = `
cases:
  - {name: shop reads, ${web}, ${orders}, scopes: [orders:read], expect: allow, by: [orders-for-the-shop]}
  - {name: shop does not write, ${web}, ${orders}, scopes: [orders:write], expect: deny, by: []}
  - name: test does not read from prod
    entry: {id: spiffe://example.org/web, owner: shop, labels: {env: test}}
    ${orders}
    scopes: [orders:read]
    expect: deny
    by: [countersign.environment]
  - name: the next hop
    action: exchangeToken
    ${web}
    ${orders}
    scopes: [orders:read]
    subject: spiffe://example.org/job
    audience: https://shop.example.org
    expect: allow
  - {name: crm, action: callVendor, ${web}, integration: crm, path: /v2/x, time: 2026-03-04T09:00:00Z, expect: allow}
  - {name: crm at night, action: callVendor, ${web}, integration: crm, path: /v2/x, time: 2026-03-04T07:59:00Z, expect: deny}
  - {name: own token, action: revoke, ${web}, revoke: {kind: token, id: j, client: spiffe://example.org/web, audience: a}, expect: allow}
  - {name: emergency, action: revoke, operator: local, revoke: {kind: owner, id: shop}, expect: allow}
`

function testCases(text: string) {
  writeFileSync(cases, text)
  return runHere(['policy', 'test', cases, '-o', 'json'])
}

test('cases of each action are decided as a server would', async () => {
  const { code, stdout, stderr } = await testCases(all)
  expect(JSON.parse(stdout).filter(({ passed }: { passed: boolean }) => !passed)).toEqual([])
  expect(JSON.parse(stdout)).toHaveLength(8)
  expect(stderr).toContain('8 cases as expected')
  expect(code).toBe(0)
})

test.for([
  ['another answer', 'expect: deny, by: []', 'expect: allow'],
  ['another policy', 'by: [countersign.environment]', 'by: [mine]'],
] as const)('%s than the case says ends with 1', async ([, from, to]) => {
  const { code, stdout, stderr } = await testCases(all.replace(from, to))
  expect(code).toBe(1)
  expect(JSON.parse(stdout).filter(({ passed }: { passed: boolean }) => !passed)).toHaveLength(1)
  expect(stderr).toContain('error[policy-cases]: 1 of 8')
})

test.for([
  [all.replace('scopes:', 'scope:'), 78, /unknown key .*scope[\s\S]*did you mean "scopes"/],
  [all.replace('scopes: [orders:read], ', ''), 1, /policy-question.*shop reads: issueToken needs/],
  [all.replace('integration: crm,', 'integration: crm, ttl: 5m,'), 1, /callVendor has no use for/],
  [all.replace('operator: local', `operator: local, ${web}`), 1, /by an entry or by an operator/],
  [all.replace(', client: spiffe://example.org/web', ''), 1, /client and audience/],
  ['cases: []', 78, /config-value/],
] as const)('a case that is unsound is told with its place: %#', async ([text, code, message]) => {
  const result = await testCases(text)
  expect(result.stderr).toMatch(message)
  expect(result.code).toBe(code)
})

test.each([
  ['orders.cedar', 'orders.cedar is no folder'],
  ['nowhere', 'nowhere'],
])('what is no folder of policies is told from one that cannot be read: %s', async (name, said) => {
  const { code, stderr } = await runHere(['policy', 'check', join(folder, name)])
  expect(code).toBe(1)
  expect(stderr).toMatch(
    /^error\[policy-folder\]: (?:there is no folder .*|.* is no folder)\n {2}fix: /,
  )
  expect(stderr).toContain(said)
})

const explain = (...more: readonly string[]) =>
  runHere([
    ...['policy', 'explain', 'spiffe://example.org/web', '--resource'],
    ...['https://orders.example.org', '--policies', folder, ...more],
  ])

test('a folder says who may have what, and why', async () => {
  const yes = await explain('--scope', 'orders:read', '--owner', 'shop')
  expect(yes.stdout).toMatch(/^yes: policy-permits\n {2}orders-for-the-shop \(orders.cedar:1\)\n/)
  const no = await explain('--scope', 'orders:write', '--owner', 'shop')
  expect(no.stdout).toMatch(
    /^no: policy-none\n.*orders.cedar:1\) would permit it, but not so is\n {4}when { \["orders:read"\]/,
  )
  const env = ['--scope', 'orders:read', '--owner', 'shop', '--resource-env', 'prod', '-o', 'json']
  expect(JSON.parse((await explain(...env)).stdout).answers[0]).toMatchObject({
    allowed: false,
    deciding: [{ id: 'countersign.environment' }],
  })
  for (const more of [['--label', 'env=prod'], ['--no-separate-environments']]) {
    const { answers } = JSON.parse((await explain(...env, ...more)).stdout)
    expect(answers[0]).toMatchObject({ entryId: null, allowed: true })
  }
})

test('a no is an answer as a yes is, as text and as JSON: only where there is none the exit code says so', async () => {
  for (const scope of ['orders:read', 'orders:write']) {
    for (const output of ['table', 'json']) {
      const { code, stdout } = await explain('--scope', scope, '--owner', 'shop', '-o', output)
      expect([scope, output, code]).toEqual([scope, output, 0])
      const allowed =
        output === 'json' ? JSON.parse(stdout).answers[0].allowed : /^yes/.test(stdout)
      expect(allowed).toBe(scope === 'orders:read')
    }
  }
  expect((await explain('--owner', 'shop', '--path', '/')).code).not.toBe(0)
})

const ask = async (...args: readonly string[]) => {
  const { stdout, stderr } = await runHere(['policy', 'explain', ...args, '--policies', folder])
  return stdout + stderr
}
const shop = ['spiffe://example.org/web', '--owner', 'shop']

test('a call to a vendor is asked about as a broker would, which knows no labels', async () => {
  const crm = [...shop, '--integration', 'crm']
  const isDay = (): boolean => new Date().getUTCHours() >= 8
  const asked = isDay()
  const answer = await ask(...crm, '--method', 'POST', '--path', '/v2/x')
  // The day may have begun meanwhile.
  if (asked === isDay())
    expect(answer).toMatch(asked ? /^yes: .*\n {2}crm-by-day / : /^no: policy-none/)
  expect(await ask(...crm, '--path', '/v2/../v2/x')).toContain('error[path-dot-segment]')
  expect(await ask(...crm, '--path', '/%76%32/x')).toBe(await ask(...crm, '--path', '/v2/x'))
  expect(await ask(...crm, '--path', '/v3/x')).toMatch(
    /^no: policy-none\n.*crm-by-day .* would permit it, but not so is\n {4}when {[\s\S]*path/,
  )
  const labelled = [...crm, '--path', '/v2/labels', '--label', 'team=crm']
  expect(await ask(...labelled)).toContain('crm-of-a-team')
  expect(await ask(...labelled)).toMatch(/^no/)
  expect(await ask(...crm, '--scope', 'x')).toContain('callVendor has no use for scopes')
})

test('a revocation is asked about, by a workload or by an operator', async () => {
  const own = ['--client', 'spiffe://example.org/web', '--audience', 'a']
  expect(await ask(...shop, '--revoke', 'token:j', ...own)).toMatch(
    /^yes: .*\n {2}countersign.own-token /,
  )
  expect(await ask(...shop, '--revoke', 'spiffe-id:spiffe://example.org/db')).toMatch(/^no: /)
  expect(await ask('--operator', 'uid:7', '--revoke', 'owner:shop')).toMatch(
    /^yes: .*\n {2}countersign.operator-revokes /,
  )
  expect(await ask('--operator', 'uid:8', '--revoke', 'token:j')).toMatch(
    /^no: policy-forbids\n {2}not-uid-8 /,
  )
})

test.for([
  [shop, 'ask one thing'],
  [[...shop, '--resource', 'a', '--integration', 'b'], 'ask one thing'],
  [[...shop, '--revoke', 'tokens:j'], 'nothing that could be revoked'],
  [[...shop, '--revoke', 'token:j'], 'its client and its audience'],
  [[...shop, '--operator', 'uid:7', '--revoke', 'token:j'], 'by an entry or by an operator'],
  [['--operator', 'uid:7', '--resource', 'a'], 'issueToken has no use for operator'],
  [['--resource', 'a'], 'nobody asks'],
  [[...shop, '--resource', 'a', '--client', 'b'], 'of a revocation alone'],
] as const)('a question that makes no sense is refused: %j', async ([args, message]) => {
  expect(await ask(...args)).toContain(message)
})

test('an exchange is asked about with what the token says that is shown', async () => {
  const { stdout, code } = await explain(
    ...['--scope', 'orders:read', '--owner', 'shop', '--subject', 'spiffe://example.org/job'],
    ...['--audience', 'https://shop.example.org', '--actor', 'spiffe://example.org/a'],
  )
  expect(code).toBe(0)
  expect(stdout).toMatch(/^yes/)
})

test('policy test says what to do where a file is none of cases, and where no policies are beside it', async () => {
  const server = join(folder, 'server.yaml')
  writeFileSync(server, 'trust_domain: example.org\n')
  const none = await runHere(['policy', 'test', server])
  expect([none.code, none.stderr]).toEqual([
    78,
    expect.stringContaining('cases; "countersign policy test --help" has a file of cases'),
  ])
  const apart = join(mkdtempSync(join(folder, 'cases-')), 'cases.yaml')
  writeFileSync(apart, all)
  const { code, stderr } = await runHere(['policy', 'test', apart])
  expect([code, stderr]).toEqual([
    1,
    expect.stringContaining(
      `fix: name the folder of the policies in ${apart}, as policies: ../policy`,
    ),
  ])
})
