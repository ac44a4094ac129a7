import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readTarget } from '../../../../../server/broker/call/target.ts'
import { reasonOf } from '../../../../support/x509-fixtures.ts'

const origin = 'https://broker.test'

test('what is let through is read in the same way by others, and by us again', () => {
  const part = fc.oneof(
    fc.constantFrom(
      'a',
      '/',
      '.',
      '..',
      '%2e',
      '%2F',
      '%25',
      '%',
      ';',
      '\\',
      '?',
      '#',
      '%c3%a9',
      ' ',
      '~',
      'é',
    ),
    fc.string({ maxLength: 3 }),
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const text = `/acme/${parts.join('')}`
      if (reasonOf(() => readTarget(text, origin)) !== 'ok') return
      const { path, query } = readTarget(text, origin)
      const url = new URL(`${origin}/acme${path}${query}`)
      // `URL` escapes an apostrophe in a query, and leaves an empty one out.
      const search = query === '?' ? '' : query.replaceAll("'", '%27')
      expect([url.pathname, url.search]).toEqual([`/acme${path}`, search])
      expect(url.hash).toBe('')
      expect(readTarget(`/acme${path}${query}`, origin)).toMatchObject({
        integration: 'acme',
        path,
        query,
      })
      // Whoever decodes once finds as many segments, and none of dots.
      const segments = path.split('/').map(decodeURIComponent)
      expect(segments.join('/').split('/')).toEqual(segments)
      expect(segments.some((segment) => segment === '.' || segment === '..')).toBe(false)
    }),
    { numRuns: 3000 },
  )
})
