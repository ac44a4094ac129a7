import { expect, test } from 'vitest'
import { createTokenReader } from '../../../../server/oauth/shown-token.ts'
import type { AuthorityRecord } from '../../../../server/store/records.ts'
import { signCompact } from '../../../../src/jwt/sign.ts'
import { RevocationState } from '../../../../src/revocation/state.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { generateKeyPair, softwareSigner, spkiOf } from '../../../../src/x509/key.ts'
import { issuer, orders } from '../../../support/oauth.ts'
import { idOf } from '../entry/samples.ts'

test('a token by a key that another server has activated a moment ago is known, and by any other key not', async () => {
  const clock = new FakeClock()
  const keys = await Promise.all(
    ['active', 'prepared', 'old', 'nobody'].map(async (id) => {
      const { publicKey, privateKey } = await generateKeyPair('ec-p256')
      return { id, publicKey: spkiOf(publicKey), signer: softwareSigner(privateKey) }
    }),
  )
  const [active, prepared, old] = keys as unknown as AuthorityRecord[]
  const state = () => ({ active, prepared, old: [old].flatMap((one) => one ?? []) })
  const reader = createTokenReader({
    ...{ issuer, clock, revocations: new RevocationState(), ca: { state } as never },
  })
  const iat = clock.now().getTime() / 1000
  const claims = {
    ...{ iss: issuer, sub: idOf('/web'), client_id: idOf('/web'), aud: orders },
    ...{ jti: 'a', txn: 't', scope: 'orders:read', iat, exp: iat + 60 },
  }
  const read = async ({ id, signer }: (typeof keys)[number]): Promise<string> =>
    reader.read(await signCompact(signer, id, claims, 'at+jwt')).then(
      () => id,
      ({ reason }: { readonly reason: string }) => reason,
    )
  expect(await Promise.all(keys.map(read))).toEqual(['active', 'prepared', 'old', 'token-key'])
})
