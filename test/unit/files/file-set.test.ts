import { expect, test } from 'vitest'
import { checkNames } from '../../../src/files/file-set.ts'
import { Secret } from '../../../src/runtime/secret.ts'
import { reasonOf } from '../../support/x509-fixtures.ts'
import { names } from './fixture.ts'

const password = new Secret('changeit')

test('T16 a name that leads out of the folder, is taken or stands twice is refused', () => {
  const bad = [
    '',
    '.',
    '..',
    '../key.pem',
    'a/b',
    '/etc/passwd',
    '.hidden',
    'current',
    'a\0b',
    'a b',
    'ü',
    'a\n',
  ]
  for (const name of [...bad, 'x'.repeat(65), names.key]) {
    expect(
      reasonOf(() => checkNames({ ...names, cert: name })),
      name,
    ).toBe('usage')
    const jwts = [{ audience: 'a', name }]
    expect(
      reasonOf(() => checkNames({ ...names, jwts })),
      name,
    ).toBe('usage')
    const pkcs12 = { name, password }
    expect(
      reasonOf(() => checkNames({ ...names, pkcs12 })),
      name,
    ).toBe('usage')
  }
  for (const name of ['x'.repeat(64), 'tls.crt', '_a-B.9']) {
    expect(checkNames({ ...names, cert: name }).cert).toBe(name)
  }
})
