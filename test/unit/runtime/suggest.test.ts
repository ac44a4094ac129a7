import { describe, expect, test } from 'vitest'
import { nearest } from '../../../src/runtime/suggest.ts'

describe('nearest', () => {
  test.each([
    ['unx', 'unix'],
    ['k8', 'k8s'],
    ['dokcer', 'docker'],
    ['K8S', 'k8s'],
    ['unix', 'unix'],
    ['trust_domian', 'trust_domain'],
  ])('%s was meant to be %s', (word, meant) => {
    expect(nearest(word, ['docker', 'unix', 'k8s', 'trust_domain'])).toBe(meant)
  })

  test('a word that is far from all has no suggestion', () => {
    expect(nearest('kubernetes', ['docker', 'unix', 'k8s'])).toBeUndefined()
    expect(nearest('', ['a'])).toBeUndefined()
    expect(nearest('unix', [])).toBeUndefined()
  })

  test('a word of any length costs little', () => {
    expect(nearest('a'.repeat(1_000_000), ['a'.repeat(1_000_000)])).toBeUndefined()
  })
})
