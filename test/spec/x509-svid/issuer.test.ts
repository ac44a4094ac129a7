import { beforeAll, describe, expect, test } from 'vitest'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import { verifyX509Svid } from '../../../src/svid/x509-svid.ts'
import { type Certificate, parseCertificate } from '../../../src/x509/certificate.ts'
import { createCsr, parseCsr } from '../../../src/x509/csr.ts'
import { issueIntermediateCa, issueLeaf, issueRootCa } from '../../../src/x509/issue.ts'
import { generateKeyPair, softwareSigner, spkiOf } from '../../../src/x509/key.ts'
import { OID } from '../../../src/x509/oids.ts'
import {
  bundleOf,
  DAY_MS,
  NOW,
  opensslAccepts,
  reasonOf,
  reasonOfAsync,
  sourceOf,
} from '../../support/x509-fixtures.ts'

const trustDomain = TrustDomain.parse('example.org')
const spiffeId = SpiffeId.parse('spiffe://example.org/web')
const dates = { notBefore: NOW, notAfter: new Date(NOW.getTime() + DAY_MS) }

let root: Certificate
let intermediate: Certificate
let leaf: Certificate
let signer: ReturnType<typeof softwareSigner>
let spki: Buffer

beforeAll(async () => {
  const newSigner = async () => softwareSigner((await generateKeyPair('ec-p256')).privateKey)
  const rootSigner = await newSigner()
  signer = await newSigner()
  const workload = await newSigner()
  root = parseCertificate(await issueRootCa({ trustDomain, signer: rootSigner, ...dates }))
  intermediate = parseCertificate(
    await issueIntermediateCa(
      { trustDomain, spki: spkiOf(signer.publicKey), ...dates },
      { certificate: root, signer: rootSigner },
    ),
  )
  spki = parseCsr(await createCsr(workload, { spiffeId })).spki
  const ca = { certificate: intermediate, signer }
  leaf = parseCertificate(
    await issueLeaf({ spiffeId, spki, dnsNames: ['a.example'], ...dates }, ca),
  )
})

describe('every certificate that is issued', () => {
  test('ID-23, ID-24, X509-09, X509-10, X509-11 authorities carry the ID of the trust domain, without a path', () => {
    expect(root.uris).toEqual(['spiffe://example.org'])
    expect(intermediate.uris).toEqual(['spiffe://example.org'])
  })

  test('X509-01 a leaf has exactly one URI, its ID', () => {
    expect(leaf.uris).toEqual([spiffeId])
  })

  test('X509-05 no leaf is issued for an ID without a path', async () => {
    const bare = TrustDomain.toId(trustDomain)
    const ca = { certificate: intermediate, signer }
    expect(await reasonOfAsync(() => issueLeaf({ spiffeId: bare, spki, ...dates }, ca))).toBe(
      'lint-root-path',
    )
  })

  test('ID-25 and X509-11 no leaf of another trust domain is issued', async () => {
    const foreign = SpiffeId.parse('spiffe://other.org/web')
    const ca = { certificate: intermediate, signer }
    expect(await reasonOfAsync(() => issueLeaf({ spiffeId: foreign, spki, ...dates }, ca))).toBe(
      'lint-trust-domain',
    )
  })

  test('X509-07 no subject is empty', () => {
    for (const made of [root, intermediate, leaf]) expect(made.subject.length).toBeGreaterThan(2)
  })

  test('X509-08 and X509-14 authorities have the CA bit and may sign certificates', () => {
    for (const ca of [root, intermediate]) {
      expect(ca.basicConstraints).toEqual({ critical: true, ca: true })
      expect(ca.keyUsage?.bits.has('keyCertSign')).toBe(true)
    }
  })

  test('X509-12 an authority does not pass as a workload', () => {
    const source = sourceOf(bundleOf('example.org', root))
    expect(reasonOf(() => verifyX509Svid([intermediate.der], source, NOW))).toBe('svid-root-path')
  })

  test('X509-15 a leaf says that it is no CA', () => {
    expect(leaf.basicConstraints).toEqual({ critical: true, ca: false })
  })

  test('X509-16 authorities have no name constraints', () => {
    for (const made of [root, intermediate, leaf]) expect(made.nameConstraints).toBeUndefined()
  })

  test('X509-17 key usage is there and critical', () => {
    for (const made of [root, intermediate, leaf]) expect(made.keyUsage?.critical).toBe(true)
  })

  test('X509-18 authorities may sign certificates and CRLs, and nothing else', () => {
    for (const ca of [root, intermediate]) {
      expect(ca.keyUsage?.bits).toEqual(new Set(['keyCertSign', 'cRLSign']))
    }
  })

  test('X509-19 and X509-20 a leaf may sign data and exchange keys, and nothing else', () => {
    expect(leaf.keyUsage?.bits).toEqual(
      new Set(['digitalSignature', 'keyEncipherment', 'keyAgreement']),
    )
  })

  test('X509-21 and X509-22 a leaf is for servers and clients', () => {
    expect(leaf.extendedKeyUsage?.purposes).toEqual(new Set([OID.serverAuth, OID.clientAuth]))
  })

  test('X509-23 authorities have no extended key usage, and openssl takes the chain', () => {
    expect(root.extendedKeyUsage).toBeUndefined()
    expect(intermediate.extendedKeyUsage).toBeUndefined()
    const chain = { leaf: leaf.der, intermediates: [intermediate.der], roots: [root.der], now: NOW }
    expect(opensslAccepts(chain)).toBe(true)
  })

  test('ID-26 the ID and the key are in the signed part', () => {
    expect(leaf.tbs.includes(spiffeId)).toBe(true)
    expect(leaf.tbs.includes(spki)).toBe(true)
  })
})
