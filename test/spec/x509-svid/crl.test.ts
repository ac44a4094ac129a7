import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { X509SVIDResponse } from '../../../src/rpc/gen/X509SVIDResponse.ts'
import { verifyAgain } from '../../../src/svid/verified-chains.ts'
import { verifyX509Svid } from '../../../src/svid/x509-svid.ts'
import { x509Contexts } from '../../../src/workload-api/x509-context.ts'
import { type Crl, parseCrl, parseCrls } from '../../../src/x509/crl.ts'
import { derNull } from '../../../src/x509/der-write.ts'
import { extension } from '../../../src/x509/encode.ts'
import { generateKeyPair, softwareSigner } from '../../../src/x509/key.ts'
import { toPem } from '../../../src/x509/pem.ts'
import { type CrlShape, crl, crlDer } from '../../support/crl-fixtures.ts'
import {
  bundleOf,
  certify,
  DAY_MS,
  issued,
  type Made,
  NOW,
  party,
  partyWith,
  reasonOf,
  root,
  sourceOf,
} from '../../support/x509-fixtures.ts'

const uris = ['spiffe://example.org/web']
const before = new Date(NOW.getTime() - DAY_MS)
const yesterday = { thisUpdate: new Date(before.getTime() - DAY_MS), nextUpdate: before }
let ca: Made
let middle: Made
let stranger: Made
let leaf: Made
let deep: Made
let pkcs8: Buffer

beforeAll(async () => {
  ca = await root('CA', { uris: ['spiffe://example.org'] })
  middle = await issued('middle', ca, { ca: true, uris: ['spiffe://example.org'] })
  stranger = await root('CA', { uris: ['spiffe://example.org'] })
  const { privateKey } = await generateKeyPair('ec-p256')
  pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' })
  leaf = await certify(partyWith('leaf', softwareSigner(privateKey)), ca, { uris })
  deep = await issued('deep', middle, { uris })
})

function verdict(chain: readonly Made[], ...crls: readonly Crl[]): string {
  const source = sourceOf({ ...bundleOf('example.org', ca), crls })
  return reasonOf(() =>
    verifyX509Svid(
      chain.map(({ der }) => der),
      source,
      NOW,
    ),
  )
}

/** What `openssl verify -crl_check` says of the leaf. */
function opensslAccepts(list: Buffer): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'crl-'))
  const file = (name: string, label: string, der: Buffer): string => {
    const path = join(folder, name)
    writeFileSync(path, toPem(label, der))
    return path
  }
  try {
    const args = ['verify', '-crl_check', '-no-CApath', '-no-CAstore']
    args.push('-attime', String(NOW.getTime() / 1000), '-CAfile', file('ca', 'CERTIFICATE', ca.der))
    args.push('-CRLfile', file('crl', 'X509 CRL', list), file('leaf', 'CERTIFICATE', leaf.der))
    execFileSync('openssl', args, { stdio: 'ignore' })
    return true
  } catch (error) {
    if (typeof error === 'object' && error !== null && 'status' in error && error.status === 2) {
      return false
    }
    throw error
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe('a list of the authority itself, as openssl judges it too', () => {
  test.each([
    ['revokes the leaf', 'svid-crl-revoked', () => ({ revoked: [leaf] })],
    [
      'revokes the leaf with a reason',
      'svid-crl-revoked',
      () => ({ revoked: [leaf], entryExtra: [extension('2.5.29.21', Buffer.of(0x0a, 1, 1))] }),
    ],
    ['revokes another', 'ok', () => ({ revoked: [deep] })],
    ['revokes nobody', 'ok', () => ({})],
    ['is not in force any more', 'svid-crl-expired', () => yesterday],
    [
      'is not in force yet',
      'svid-crl-expired',
      () => ({ thisUpdate: new Date(NOW.getTime() + 60_000) }),
    ],
    [
      'has a critical extension that nobody understands',
      'svid-crl-unusable',
      () => ({ extra: [extension('1.2.3.4', derNull(), true)] }),
    ],
  ] as [string, string, () => CrlShape][])('%s: %s', async (_, expected, shape) => {
    const der = await crlDer(ca, shape())
    expect(verdict([leaf], parseCrl(der))).toBe(expected)
    expect(opensslAccepts(der)).toBe(expected === 'ok')
  })
})

describe('which lists count', () => {
  test('a list that another signed in the name of the authority says nothing of it', async () => {
    const forged = await crl(stranger, { issuer: ca, revoked: [leaf] })
    const ofTheSameName = await crl(stranger, { revoked: [leaf] })
    expect(verdict([leaf], forged, ofTheSameName)).toBe('ok')
  })

  test('a list that has ended revokes still what it names, and a newer one puts the others right', async () => {
    const old = { ...yesterday, revoked: [leaf] }
    expect(verdict([leaf], await crl(ca, old))).toBe('svid-crl-revoked')
    expect(verdict([leaf], await crl(ca, yesterday), await crl(ca))).toBe('ok')
  })

  test('a list without an end is in force', async () => {
    expect(verdict([leaf], await crl(ca, { nextUpdate: null }))).toBe('ok')
  })

  test('each certificate of the chain is looked for in the lists of its own issuer', async () => {
    expect(verdict([deep, middle])).toBe('ok')
    expect(verdict([deep, middle], await crl(ca, { revoked: [middle] }))).toBe('svid-crl-revoked')
    expect(verdict([deep, middle], await crl(middle, { revoked: [deep] }))).toBe('svid-crl-revoked')
    expect(verdict([deep, middle], await crl(middle, { revoked: [middle] }))).toBe('ok')
  })

  test('an authority that may sign no lists has signed none', async () => {
    const mute = await root('mute', { uris: ['spiffe://example.org'], usage: ['keyCertSign'] })
    const its = await issued('its', mute, { uris })
    const source = sourceOf({
      ...bundleOf('example.org', mute),
      crls: [await crl(mute, { revoked: [its] })],
    })
    expect(reasonOf(() => verifyX509Svid([its.der], source, NOW))).toBe('ok')
  })

  test('a chain that was seen before is looked for again: a list may end, and a bundle may bring one', async () => {
    const list = await crl(ca, { nextUpdate: new Date(NOW.getTime() + 60_000) })
    let bundle = { ...bundleOf('example.org', ca), crls: [list] }
    const source = { bundleOf: () => bundle }
    const again = (now = NOW): string => reasonOf(() => verifyAgain([leaf.der], source, now))
    expect([again(), again()]).toEqual(['ok', 'ok'])
    expect(again(new Date(NOW.getTime() + 120_000))).toBe('svid-crl-expired')
    bundle = { ...bundle, crls: [await crl(ca, { revoked: [leaf] })] }
    expect(again()).toBe('svid-crl-revoked')
  })
})

describe('a list from outside is read strictly, and has a bound', () => {
  test.each([
    ['nothing', () => Buffer.alloc(0)],
    ['a certificate', () => ca.der],
    ['PEM', () => Buffer.from('-----BEGIN X509 CRL-----')],
    ['more than 1 MiB', () => Buffer.alloc((1 << 20) + 1, 0x30)],
  ])('%s is no list', (_, made) => {
    expect(reasonOf(() => parseCrl(made()))).toBe('crl-malformed')
  })

  test('one byte more, or less, is no list', async () => {
    const der = await crlDer(ca, { revoked: [leaf] })
    expect(reasonOf(() => parseCrl(Buffer.concat([der, Buffer.of(0)])))).toBe('crl-malformed')
    expect(reasonOf(() => parseCrl(der.subarray(0, -1)))).toBe('crl-malformed')
  })

  test('more than 64 lists are too many', async () => {
    const der = await crlDer(await party('x'))
    expect(reasonOf(() => parseCrls(Array<Buffer>(65).fill(der)))).toBe('crl-malformed')
  })
})

describe('the CRLs of a message of the Workload API', () => {
  const messageWith = (...crls: readonly Buffer[]): X509SVIDResponse => ({
    svids: [
      {
        spiffe_id: 'spiffe://example.org/web',
        x509_svid: leaf.der,
        x509_svid_key: pkcs8,
        bundle: ca.der,
        hint: '',
      },
    ],
    crl: [...crls],
    federated_bundles: {},
  })

  test('WLA-24 count for its bundles', async () => {
    const judged = async (shape: CrlShape): Promise<string> => {
      const context = x509Contexts.read(messageWith(await crlDer(ca, shape)))
      return reasonOf(() => verifyX509Svid([leaf.der], context, NOW))
    }
    expect(await judged({})).toBe('ok')
    expect(await judged({ revoked: [leaf] })).toBe('svid-crl-revoked')
  })

  test('one that cannot be read makes the message one to leave out', () => {
    expect(reasonOf(() => x509Contexts.read(messageWith(Buffer.from('junk'))))).toBe(
      'crl-malformed',
    )
  })
})
