import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { pageOf } from '../conformance/page.ts'
import { reasons } from '../conformance/reasons.ts'
import { rules } from '../conformance/rules.ts'
import { faultsOf, judge, type Ran } from '../conformance/table.ts'
import { root, splitTitle, titledRules } from '../conformance/titles.ts'

describe('the rules of the standards', () => {
  test('each has a test that is titled with its number, or a reason why not, and no title another number', () => {
    expect(faultsOf(rules, [...titledRules().values()].flat())).toEqual([])
  })

  test('each stands in docs/conformance.md as it is; npm run conformance makes it so', () => {
    const lines = readFileSync(join(root, 'docs/conformance.md'), 'utf8').split('\n')
    const stale = rules.filter(({ id, reason }) => {
      const end = reason === undefined ? '| passed |' : '| left out |'
      return !lines.some((line) => line.startsWith(`| ${id} |`) && line.endsWith(end))
    })
    expect(stale.map(({ id }) => id)).toEqual([])
  })

  test('each stands once, by document and number, and each reason is needed', () => {
    expect(new Set(rules.map(({ id }) => id)).size).toBe(rules.length)
    const used = new Set(rules.map(({ reason }) => reason))
    expect(Object.values(reasons).filter((reason) => !used.has(reason))).toEqual([])
  })
})

describe('the table', () => {
  const rule = (id: string, reason?: string) => ({
    ...{ id, strength: 'MUST', binds: 'V', section: '1', asks: 'it', reason },
  })
  const ran = (title: string, status: Ran['status'] = 'passed') => ({
    ...{ file: 'test/a.test.ts', titles: ['a suite', title], status },
  })

  test('a title may begin with several numbers, threats among them', () => {
    expect(splitTitle('X509-06, T33 and ID-25 TDB-01 a leaf of TDB-02')).toEqual([
      ['X509-06', 'ID-25', 'TDB-01'],
      'a leaf of TDB-02',
    ])
    expect(splitTitle('a leaf as X509-06 has it')).toEqual([[], 'a leaf as X509-06 has it'])
  })

  test('a rule is proven where a test of its passed and none failed', () => {
    const result = (...tests: readonly Ran[]) => judge([rule('ID-01')], tests)[0]?.result
    expect(result(ran('ID-01 a'))).toBe('passed')
    expect(result(ran('ID-01 a'), ran('ID-01 b', 'skipped'))).toBe('passed')
    expect(result(ran('ID-01 a'), ran('T1 ID-01 b', 'failed'))).toBe('failed')
    expect(result(ran('ID-01 a', 'skipped'))).toBe('skipped')
    expect(result(ran('ID-02 a'), ran('as ID-01 has it'))).toBe('no test')
    expect(judge([rule('ID-01', 'advice')], [])[0]?.result).toBe('left out')
  })

  test('a rule with neither test nor reason, with both, and one that there is not, are faults', () => {
    const faults = faultsOf([rule('ID-01'), rule('ID-02', 'advice'), rule('ID-03')], ['ID-03'])
    expect(faults.map((fault) => fault.slice(0, 5))).toEqual(['ID-01'])
    const more = faultsOf([rule('ID-02', 'advice')], ['ID-02', 'ID-09'])
    expect(more.map((fault) => fault.slice(0, 5))).toEqual(['ID-09', 'ID-02'])
  })

  test('the page names the title without its numbers, and is no other Markdown for it', () => {
    const page = pageOf(judge([rule('ID-01')], [ran('ID-01 a|b <c> is refused')]))
    expect(page).toContain('a suite: a\\|b \\<c> is refused (`test/a.test.ts`) | passed |')
  })
})
