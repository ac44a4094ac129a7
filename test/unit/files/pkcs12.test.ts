import { spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { toPkcs12 } from '../../../src/files/pkcs12.ts'
import { Secret } from '../../../src/runtime/secret.ts'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import { TestTrustDomain } from '../../../src/testing/trust-domain.ts'
import { toPem } from '../../../src/x509/pem.ts'
import { web } from '../../support/fake-api.ts'
import { temporaryFolder } from './fixture.ts'

async function store(passphrase: string) {
  const trustDomain = await TestTrustDomain.create(TrustDomain.parse('example.org'))
  const svid = await trustDomain.issueX509(SpiffeId.parse(web))
  const [authority] = trustDomain.bundle.x509Authorities
  // As a chain of two would be: what it says does not matter here.
  const chain = [...svid.chain, authority?.certificate ?? Buffer.alloc(0)]
  const path = join(temporaryFolder(), 'svid.p12')
  writeFileSync(path, toPkcs12({ ...svid, chain }, new Secret(passphrase)))
  return { path, svid: { ...svid, chain } }
}

const has = (program: string): boolean => spawnSync(program, ['-help']).error === undefined

test.skipIf(!has('openssl'))(
  'openssl reads key and chain of a PKCS#12, and refuses another password',
  async () => {
    const passphrase = 'пароль 100%'
    const { path, svid } = await store(passphrase)
    const openssl = (password: string) =>
      spawnSync('openssl', ['pkcs12', '-in', path, '-noenc', '-passin', `pass:${password}`], {
        encoding: 'utf8',
      })
    const { stdout, status } = openssl(passphrase)
    expect(status).toBe(0)
    expect(stdout).toContain(toPem('PRIVATE KEY', svid.privateKey).trim())
    for (const der of svid.chain) expect(stdout).toContain(toPem('CERTIFICATE', der).trim())
    expect(openssl('another').status).not.toBe(0)
  },
)

test.skipIf(!has('keytool'))('Java reads a PKCS#12 as a key with its chain', async () => {
  const { path, svid } = await store('changeit')
  const { stdout } = spawnSync(
    'keytool',
    ['-list', '-rfc', '-keystore', path, '-storepass', 'changeit', '-alias', 'svid'],
    { encoding: 'utf8' },
  )
  expect(stdout).toContain('PrivateKeyEntry')
  const pem = stdout.slice(stdout.indexOf('-----BEGIN'))
  expect(new X509Certificate(pem).raw).toEqual(svid.chain[0])
})
