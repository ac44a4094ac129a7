import { expect, test } from 'vitest'
import { signCompact } from '../../../src/jwt/sign.ts'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import { lintJwtSvid } from '../../../src/svid/jwt-lint.ts'
import { jwtSvidClaims } from '../../../src/svid/jwt-svid.ts'
import { generateKeyPair, type Signer, softwareSigner } from '../../../src/x509/key.ts'
import { reasonOfAsync } from '../../support/x509-fixtures.ts'

const issuedAt = new Date('2026-06-01T12:00:00Z')
const expiresAt = new Date('2026-06-01T12:05:00Z')
const signer = softwareSigner((await generateKeyPair('ec-p256')).privateKey)
const claims = jwtSvidClaims({
  spiffeId: SpiffeId.parse('spiffe://example.org/web'),
  audience: ['a', 'b'],
  issuedAt,
  expiresAt,
})
const expected = { keyId: 'k', signer, claims, notAfter: expiresAt }
const token = await signCompact(signer, 'k', claims)

test('a token that is as it was asked for leaves, the first of its key and the next', async () => {
  await lintJwtSvid(token, expected)
  await lintJwtSvid(token, expected)
})

const otherSigner = softwareSigner((await generateKeyPair('ec-p256')).privateKey)

test.each([
  ['form', `${token}.`, {}],
  ['form', token.replace('.', '=.'), {}],
  ['form', await signCompact(signer, 'k', claims, 'at+jwt'), {}],
  ['header', await signCompact(signer, 'another', claims), {}],
  ['header', token, { signer: { ...signer, kind: 'ec-p384' as const } }],
  ['claims', await signCompact(signer, 'k', { ...claims, aud: ['a'] }), {}],
  ['claims', await signCompact(signer, 'k', { ...claims, admin: true }), {}],
  ['outlives-key', token, { notAfter: new Date(expiresAt.getTime() - 1) }],
  ['signature', token, { signer: otherSigner }],
  [
    'signature',
    await signCompact({ ...signer, sign: otherSigner.sign }, 'k', claims),
    { signer: { ...signer } },
  ],
])(
  'one that is not does not, be it the first of its key or the next: %s',
  async (reason, made, changes) => {
    const lint = (key: Signer) =>
      reasonOfAsync(() => lintJwtSvid(made, { ...expected, signer: key, ...changes }))
    expect(await lint({ ...signer })).toBe(`lint-${reason}`)
    expect(await lint(signer)).toMatch(/^lint-/)
  },
)
