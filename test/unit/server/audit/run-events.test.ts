import { expect, test } from 'vitest'
import { startedEvent } from '../../../../server/audit/run-events.ts'
import { trustDomain } from '../../../support/running-server.ts'

test('the start names its configuration by a hash that each setting changes, in maps and sets too', () => {
  const hashOf = (config: object) =>
    startedEvent({ trustDomain, version: '1', config }, new Date(0)).details?.['configSha256']
  const rule = (value: string, issue: string) => ({
    rules: new Map([['issuer', { match: new Map([['ref', value]]), issue: new Set([issue]) }]]),
  })
  expect(hashOf(rule('main', 'access_token'))).toBe(hashOf(rule('main', 'access_token')))
  const others = [rule('next', 'access_token'), rule('main', 'jwt_svid'), { rules: new Map() }]
  const hashes = [rule('main', 'access_token'), ...others].map(hashOf)
  expect(new Set(hashes).size).toBe(4)
})
