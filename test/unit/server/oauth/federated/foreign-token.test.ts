import { expect, test } from 'vitest'
import {
  type KnownIssuer,
  verifyForeignToken,
} from '../../../../../server/oauth/federated/foreign-token.ts'
import { federatedSchema, readFederated } from '../../../../../server/oauth/federated/settings.ts'
import { signCompact } from '../../../../../src/jwt/sign.ts'
import { generateKeyPair, softwareSigner, spkiOf } from '../../../../../src/x509/key.ts'
import { reasonOf } from '../../../../support/reason-of.ts'
import { trustDomain } from '../../../../support/running-server.ts'

// Tokens that are no better in other ways are shown to a whole server in test/flow/federated-refusals.test.ts.

const issuer = 'https://ci.example'
const audience = 'https://as.example.org'
const now = new Date('2026-03-04T05:06:07Z')
const seconds = now.getTime() / 1000
const { publicKey, privateKey } = await generateKeyPair('ec-p256')
const signer = softwareSigner(privateKey)

function issuerOf(kind: string, match: Readonly<Record<string, string>>): KnownIssuer {
  const rules = [{ match, as: 'spiffe://example.org/ci' }]
  const [settings = expect.fail()] = readFederated(
    federatedSchema.parse([{ issuer, kind, audience, algorithms: ['ES256'], rules }]),
    { issuer: audience, trustDomain },
  ).values()
  return { settings, keys: async (id) => (id === 'k' ? spkiOf(publicKey) : undefined) }
}

async function shown(known: KnownIssuer, more: Readonly<Record<string, unknown>>): Promise<string> {
  const claims = { iss: issuer, aud: audience, sub: 'a job', jti: 'j', ...more }
  const token = await signCompact(signer, 'k', claims, 'JWT')
  return reasonOf(verifyForeignToken(token, new Map([[issuer, known]]), now))
}

test.each([
  ['a second before its end', { iat: seconds - 9, exp: seconds + 1 }, 'accepted'],
  ['at its end', { iat: seconds - 9, exp: seconds }, 'subject-expired'],
  ['of a clock a minute ahead', { iat: seconds + 60, exp: seconds + 99 }, 'accepted'],
  ['of one further ahead', { iat: seconds + 61, exp: seconds + 99 }, 'subject-not-yet-valid'],
  ['that begins in a minute', { iat: seconds, nbf: seconds + 60, exp: seconds + 99 }, 'accepted'],
  [
    'that begins later',
    { iat: seconds, nbf: seconds + 61, exp: seconds + 99 },
    'subject-not-yet-valid',
  ],
  [
    'whose beginning is no number',
    { iat: seconds, nbf: 'soon', exp: seconds + 99 },
    'subject-times',
  ],
  ['as old as may be', { iat: seconds - 500, exp: seconds + 100 }, 'accepted'],
  ['that lives too long', { iat: seconds - 500, exp: seconds + 101 }, 'subject-max-age'],
])('a foreign token %s (%o): %s', async (_, times, reason) => {
  expect(await shown(issuerOf('oidc', { sub: 'a job' }), times)).toBe(reason)
})

test('a token of Kubernetes is that of a pod, which has a UID', async () => {
  const cluster = issuerOf('kubernetes', { 'kubernetes.io/serviceaccount/uid': 'a' })
  const ofPod = (pod: unknown) =>
    shown(cluster, { iat: seconds, exp: seconds + 99, 'kubernetes.io': { pod } })
  expect(await ofPod({ uid: 'b' })).toBe('accepted')
  for (const pod of [undefined, {}, { uid: '' }, { name: 'b' }, { uid: ['b'] }, 'b']) {
    expect(await ofPod(pod)).toBe('subject-pod')
  }
})
