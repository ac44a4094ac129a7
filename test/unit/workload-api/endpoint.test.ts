import { describe, expect, test } from 'vitest'
import { CountersignError } from '../../../src/errors.ts'
import { parseEndpoint, resolveEndpoint } from '../../../src/workload-api/endpoint.ts'

describe('WLE-10 a unix endpoint', () => {
  test.each([
    ['unix:///run/a.sock', '/run/a.sock'],
    ['unix:/run/a.sock', '/run/a.sock'],
    ['unix:///run/%41 b', '/run/%41 b'],
  ])('%s is the path %s, as it stands', (text, path) => {
    expect(parseEndpoint(text)).toEqual({ kind: 'unix', path })
  })

  test.each([
    'unix://host/p',
    'unix:rel',
    'unix://',
    'unix:',
    'unix:////p',
    'unix:///p?x',
    'unix:///p#f',
    'unix://u@/p',
  ])('%s is refused', (text) => expect(() => parseEndpoint(text)).toThrow(CountersignError))
})

describe('WLE-11 a tcp endpoint', () => {
  test.each([
    ['tcp://127.0.0.1:8000', '127.0.0.1', 8000],
    ['tcp://[::1]:8000', '::1', 8000],
  ])('%s', (text, host, port) => {
    expect(parseEndpoint(text)).toEqual({ kind: 'tcp', host, port })
  })

  test.each([
    'tcp://localhost:1',
    'tcp://127.0.0.1',
    'tcp://127.0.0.1:0',
    'tcp://127.0.0.1:70000',
    'tcp://127.0.0.1:1/foo',
    'tcp://127.0.0.1:1?x',
    'tcp://u@127.0.0.1:1',
  ])('%s is refused', (text) => expect(() => parseEndpoint(text)).toThrow(CountersignError))
})

test.each(['/run/a.sock', 'http://x', 'unixx:/a', ''])(
  'WLE-09 %j has no scheme that we speak',
  (text) => {
    expect(() => parseEndpoint(text)).toThrow(CountersignError)
  },
)

test('WLE-08 what is given wins over the environment, and without both there is an error', () => {
  const env = { SPIFFE_ENDPOINT_SOCKET: 'unix:///env' }
  expect(resolveEndpoint('unix:///given', env)).toMatchObject({ path: '/given' })
  expect(resolveEndpoint(undefined, env)).toMatchObject({ path: '/env' })
  expect(() => resolveEndpoint(undefined, {})).toThrow(/no Workload API endpoint/)
})

test('a path alone is told how it is written here', () => {
  expect(() => parseEndpoint('/run/agent.sock')).toThrow(
    expect.objectContaining({
      reason: 'endpoint-scheme',
      fix: 'write it as unix:///run/agent.sock',
    }),
  )
})
