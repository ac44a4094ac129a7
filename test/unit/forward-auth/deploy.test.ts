import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { readForwardAuth } from '../../../src/forward-auth/settings.ts'
import { identityHeaders } from '../../support/identity-headers.ts'

const fileOf = (name: string): string =>
  fileURLToPath(new URL(`../../../deploy/${name}`, import.meta.url))
const textOf = (name: string): string => readFileSync(fileOf(name), 'utf8').toLowerCase()

// With the programs themselves: `npm run recipes` and `npm run interop`.
test('T25 the proxies’ configurations that are shipped let no header through by which a client could name itself', () => {
  const nginx = textOf('nginx/forward-auth.conf') + textOf('nginx/identity-headers.conf')
  const envoy = textOf('envoy/envoy.yaml')
  for (const name of identityHeaders) {
    expect(nginx).toMatch(new RegExp(`proxy_set_header ${name} +("";|\\$countersign_)`))
    expect(envoy).toContain(`- remove: ${name}\n`)
  }
  expect(nginx.match(/proxy_set_header \S+ +"";/g)?.length).toBe(identityHeaders.length - 4 + 2)
  expect(envoy.match(/- remove: /g)?.length).toBe(identityHeaders.length)
})

test('the endpoint’s own configurations that are shipped are good', () => {
  for (const proxy of ['nginx', 'envoy']) {
    const { doors, services } = readForwardAuth(fileOf(`${proxy}/forward-auth.yaml`))
    expect(doors).toMatchObject([{ proxy }])
    expect([...services.keys()]).toEqual(['orders'])
  }
})
