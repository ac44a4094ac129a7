import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { builtInPolicies, environmentGuard } from '../../../src/policy/built-in.ts'
import { readPolicyFolder } from '../../../src/policy/policy-folder.ts'
import { readPolicySet } from '../../../src/policy/policy-set.ts'

const sound = '@id("a") permit (principal, action, resource);'

test.for([
  ['permit (principal', 'policy-syntax'],
  ['permit (principal, action, resource);', 'policy-id'],
  ['@id("countersign.a") permit (principal, action, resource);', 'policy-id'],
  ['@id("a b") permit (principal, action, resource);', 'policy-id'],
  [`${sound} ${sound}`, 'policy-id'],
  ['@id("a") permit (principal == ?principal, action, resource);', 'policy-template'],
  [
    '@id("a") permit (principal is Workload, action in Action::"getToken", resource) when { principal.ownr == "x" };',
    'policy-schema',
  ],
  [
    '@id("a") permit (principal is Workload, action in Action::"getToken", resource) when { context.ttl > "1" };',
    'policy-schema',
  ],
  ['@id("a") permit (principal, action == Action::"isueToken", resource);', 'policy-schema'],
  ['@id("a") permit (principal is Workloads, action, resource);', 'policy-schema'],
  [
    '@id("a") permit (principal is Workload, action in Action::"getToken", resource) when { principal.getTag("env") == "x" };',
    'policy-schema',
  ],
  ['@id("a") permit (principal is Api, action, resource);', 'policy-schema'],
] as const)('%s is refused: %s', ([text, reason]) => {
  expect(() => readPolicySet([{ name: 'a.cedar', text }])).toThrow(
    expect.objectContaining({ reason }),
  )
})

test('what another action has no such thing of cannot be asked without saying which action is meant', () => {
  const ttl = (action: string) =>
    `@id("a") forbid (principal, ${action}, resource) when { context.ttl > 60 };`
  const read = (action: string) => () => readPolicySet([{ name: 'a.cedar', text: ttl(action) }])
  expect(read('action')).toThrow(expect.objectContaining({ reason: 'policy-schema' }))
  expect(read('action in Action::"getToken"')).not.toThrow()
})

test('the policies of the product itself fit its schema', () => {
  const own = Object.entries({ ...builtInPolicies, ...environmentGuard })
  const text = own.map(([id, policy]) => `@id("${id.replace('countersign', 'x')}") ${policy}`)
  expect(readPolicySet([{ name: 'own.cedar', text: text.join('\n') }]).size).toBe(own.length)
})

test('a fault is told with its file and line', () => {
  expect(() => readPolicySet([{ name: 'a.cedar', text: `${sound}\n\npermit (` }])).toThrow(
    /^a\.cedar:3: /,
  )
})

test('policies of all files are one set; one id in two files is refused', () => {
  const other = sound.replace('"a"', '"b"')
  const set = readPolicySet([
    { name: 'a.cedar', text: sound },
    { name: 'b.cedar', text: other },
  ])
  expect([...set.keys()]).toEqual(['a', 'b'])
  const twice = ['a.cedar', 'b.cedar'].map((name) => ({ name, text: sound }))
  expect(() => readPolicySet(twice)).toThrow(expect.objectContaining({ reason: 'policy-id' }))
})

test('a folder gives its *.cedar files and no others; what everybody may write is refused', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cs-policy-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'more'))
  for (const name of ['b.cedar', 'a.cedar', '.c.cedar', 'readme.txt', 'more/d.cedar']) {
    writeFileSync(join(folder, name), sound, { mode: 0o644 })
  }
  const first = await readPolicyFolder(folder)
  expect(first.files.map(({ name }) => name)).toEqual(['a.cedar', 'b.cedar'])
  writeFileSync(join(folder, 'a.cedar'), '')
  expect((await readPolicyFolder(folder)).revision).not.toBe(first.revision)
  chmodSync(join(folder, 'a.cedar'), 0o666)
  await expect(readPolicyFolder(folder)).rejects.toMatchObject({ reason: 'policy-file-mode' })
  await expect(readPolicyFolder(join(folder, 'none'))).rejects.toMatchObject({
    reason: 'policy-folder',
  })
})
