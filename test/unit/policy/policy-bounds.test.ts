import { describe, expect, test } from 'vitest'
import { createPolicyEngine } from '../../../src/policy/engine.ts'
import { checkBounds } from '../../../src/policy/policy-bounds.ts'
import { readPolicySet } from '../../../src/policy/policy-set.ts'
import { systemClock } from '../../../src/runtime/clock.ts'

const policy = (condition: string) =>
  `@id("a") permit (principal, action, resource) when {${condition}};`
const read = (text: string) => readPolicySet([{ name: 'a.cedar', text }], systemClock)
const now = 'context.time == context.time'
const nested = (count: number, inside = 'true') => '('.repeat(count) + inside + ')'.repeat(count)
const ifs = (count: number, inside = 'true') =>
  'if true then '.repeat(count) + inside + ' else false'.repeat(count)

function allowed(set: Awaited<ReturnType<typeof read>>): boolean {
  const engine = createPolicyEngine()
  engine.load(set)
  const target = { kind: 'node', id: 'n' } as const
  return engine.decide({ action: 'revoke', by: { operator: 'o' }, target }, new Date()).allowed
}

describe('what Cedar would not survive it never sees, and decides on afterwards', () => {
  test.for([
    ['brackets', policy(nested(60_000))],
    ['sets', policy(`${'['.repeat(300)}1${']'.repeat(300)} == [1]`)],
    ['records', policy(`${'{a:'.repeat(300)}1${'}'.repeat(300)} == 1`)],
    ['and', policy(`${`${now} && `.repeat(3000)}true`)],
    ['or', policy(`${`${now} || `.repeat(3000)}true`)],
    ['if', policy(ifs(1000))],
    ['plus', policy(`1${' + 1'.repeat(3000)} == 1`)],
    ['times', policy(`1${'*1'.repeat(3000)} == 1`)],
    ['dots', policy(`context.time${'.toTime()'.repeat(1000)} == 1`)],
    ['indexes', policy(`context${'["a"]'.repeat(5000)} == 1`)],
    ['when', policy('true').replace(';', `${` when {${now}}`.repeat(1000)};`)],
    ['characters', policy(`"${'a'.repeat(65_600)}" == "a"`)],
    ['brackets after others that were closed', `${')'.repeat(300)} ${policy(nested(300))}`],
    ['brackets around the ends of policies', policy(nested(300, ';'))],
    ['brackets behind what is no end of a string', policy(`"\\"" == "\\\\" && ${nested(300)}`)],
  ] as const)('%s', async ([, text]) => {
    await expect(read(text)).rejects.toMatchObject({ reason: 'policy-complex' })
    expect(allowed(await read(policy('true')))).toBe(true)
  })
})

test('all that is let through together Cedar bears', async () => {
  const worst = policy(ifs(124, nested(15, ifs(124, nested(14, now)))))
  expect(allowed(await read(worst))).toBe(true)
  const indexes = policy(`principal == Operator::"o" || context${'["a"]'.repeat(390)} == 1`)
  await expect(read(indexes)).rejects.toMatchObject({ reason: 'policy-schema' })
  expect(allowed(await read(worst))).toBe(true)
})

test('strings, comments and other policies do not count', async () => {
  const text = [
    `// ${'('.repeat(500)}`,
    policy(`principal == Operator::"${'('.repeat(500)}" || true`),
    policy(`[${Array.from({ length: 2000 }, (_, n) => `"${n}"`).join()}].contains("x")`),
    policy(`"${'a'.repeat(65_000)}" != "a"`),
    ...Array.from({ length: 50 }, () => policy(`${`${now} && `.repeat(20)}true`)),
  ].map((one, n) => one.replace('@id("a")', `@id("p${n}")`))
  expect((await read(text.join('\n'))).size).toBe(53)
})

test('a policy that is too complex is told with its line', () => {
  const text = `${policy('true')}\n"\n"\n// x\n${policy(nested(33))}`
  expect(() => checkBounds({ name: 'a.cedar', text })).toThrow(/^a\.cedar:5: /)
})
