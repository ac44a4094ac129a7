import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Bootstrap, openServerTrust } from '../../../../agent/node-attestation/server-trust.ts'
import type { Bundle } from '../../../../src/bundle/bundle.ts'
import { writeBundleDocument } from '../../../../src/bundle/document.ts'
import type { CountersignError } from '../../../../src/errors.ts'
import { type Log, silentLog } from '../../../../src/runtime/log.ts'
import { SpiffeId, TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { parseCertificate } from '../../../../src/x509/certificate.ts'
import type { CertificateAuthority } from '../../../../src/x509/issue.ts'
import { generateKeyPair, spkiOf } from '../../../../src/x509/key.ts'
import { toPem } from '../../../../src/x509/pem.ts'
import { bundleWith, hourMs, leafFor, makeCa, start, trustDomain } from '../cache/fixture.ts'

const serverId = SpiffeId.parse('spiffe://example.org/spire/server')

let folder: string
let ca: CertificateAuthority
let foreign: CertificateAuthority
let leaf: Buffer
let chain: readonly Buffer[]

const pinOf = (one: CertificateAuthority): string =>
  createHash('sha256').update(one.certificate.spki).digest('hex')

async function chainOf(
  id: SpiffeId,
  signer: CertificateAuthority,
  shown: CertificateAuthority = signer,
  from: Date = start,
): Promise<readonly Buffer[]> {
  const { publicKey } = await generateKeyPair('ec-p256')
  const der = await leafFor(spkiOf(publicKey), { spiffeId: id }, signer, { from })
  return [der, shown.certificate.der]
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'trust-'))
  ca = await makeCa()
  foreign = await makeCa()
  chain = await chainOf(serverId, ca)
  leaf = chain[0] as Buffer
})

afterAll(() => rmSync(folder, { recursive: true }))

const open = (bootstrap: Bootstrap | undefined, held?: Bundle, log: Log = silentLog) =>
  openServerTrust({ trustDomain, clock: new FakeClock(), log }, held, bootstrap)

async function reasonOf(
  bootstrap: Bootstrap | undefined,
  presented: readonly Buffer[],
  held?: Bundle,
): Promise<string> {
  const trust = await open(bootstrap, held)
  try {
    return trust.verify(presented)
  } catch (error) {
    return (error as CountersignError).reason
  }
}

describe('the hash of a CA key', () => {
  const pinned = (): Bootstrap => ({ by: 'ca-key', sha256: ['00'.repeat(32), pinOf(ca)] })

  test('lets the server be believed whose chain that CA signed', async () => {
    expect(await reasonOf(pinned(), chain)).toBe(serverId)
  })

  test('refuses a chain of another CA, and one that does not show its CA', async () => {
    expect(await reasonOf(pinned(), await chainOf(serverId, foreign))).toBe('server-ca-key')
    expect(await reasonOf(pinned(), [leaf])).toBe('server-ca-key')
    expect(await reasonOf(pinned(), [])).toBe('server-ca-key')
  })

  test('refuses a leaf that merely travels with the CA', async () => {
    expect(await reasonOf(pinned(), await chainOf(serverId, foreign, ca))).toMatch(/^svid-chain-/)
  })

  test('takes no leaf for its CA', async () => {
    const own = createHash('sha256').update(parseCertificate(leaf).spki).digest('hex')
    expect(await reasonOf({ by: 'ca-key', sha256: [own] }, [leaf, leaf])).toBe('server-ca-key')
  })
})

describe('a server that shows its leaf alone, as those of SPIRE do,', () => {
  test('is believed where the operator lets anybody be the server', async () => {
    expect(await reasonOf({ by: 'nothing' }, [leaf])).toBe(serverId)
  })

  test('has to say that it is the server of this trust domain, now', async () => {
    const web = await chainOf(SpiffeId.of(trustDomain, '/web'), ca)
    expect(await reasonOf({ by: 'nothing' }, web.slice(0, 1))).toBe('server-id')
    const else_ = TrustDomain.parse('else.test')
    const elsewhere = await chainOf(SpiffeId.of(else_, '/spire/server'), await makeCa(else_))
    expect(await reasonOf({ by: 'nothing' }, elsewhere.slice(0, 1))).toBe('server-id')
    const old = await chainOf(serverId, ca, ca, new Date(start.getTime() - 2 * hourMs))
    expect(await reasonOf({ by: 'nothing' }, old.slice(0, 1))).toBe('svid-chain-expired')
    expect(await reasonOf({ by: 'nothing' }, [ca.certificate.der])).toMatch(/^svid-/)
  })

  test('cannot be known by the hash of its CA: the error names what to use', async () => {
    const trust = await open({ by: 'ca-key', sha256: [pinOf(ca)] })
    expect(() => trust.verify([leaf])).toThrow(
      expect.objectContaining({
        reason: 'server-ca-key',
        fix: expect.stringContaining('trust_bundle'),
      }),
    )
  })
})

describe('whoever is believed', () => {
  const bootstraps = (): readonly Bootstrap[] => [
    { by: 'ca-key', sha256: [pinOf(ca)] },
    { by: 'nothing' },
  ]

  test('is the server, and no other member of the trust domain', async () => {
    for (const path of ['/spire/agent/join_token/x', '/web', '/spire/server/x']) {
      const other = await chainOf(SpiffeId.of(trustDomain, path), ca)
      for (const bootstrap of bootstraps()) {
        expect(await reasonOf(bootstrap, other)).toBe('server-id')
      }
    }
  })

  test('is the server of this trust domain', async () => {
    const elsewhere = TrustDomain.parse('else.test')
    const other = await makeCa(elsewhere)
    const presented = await chainOf(SpiffeId.of(elsewhere, '/spire/server'), other)
    for (const bootstrap of [
      { by: 'ca-key', sha256: [pinOf(other)] },
      { by: 'nothing' },
    ] as const) {
      expect(await reasonOf(bootstrap, presented)).toBe('svid-no-bundle')
    }
  })

  test('shows a chain that is valid now', async () => {
    const old = await chainOf(serverId, ca, ca, new Date(start.getTime() - 2 * hourMs))
    for (const bootstrap of bootstraps()) {
      expect(await reasonOf(bootstrap, old)).toMatch(/^svid-chain-/)
    }
  })
})

describe('a bundle', () => {
  test('from a file is believed, as PEM and as a SPIFFE document', async () => {
    const pem = join(folder, 'bundle.pem')
    const json = join(folder, 'bundle.json')
    writeFileSync(pem, toPem('CERTIFICATE', ca.certificate.der))
    writeFileSync(json, writeBundleDocument(bundleWith([{ ca }])))
    for (const path of [pem, json]) {
      expect(await reasonOf({ by: 'bundle-file', path }, chain)).toBe(serverId)
      // The CA need not travel along, and one that does proves nothing.
      expect(await reasonOf({ by: 'bundle-file', path }, [leaf])).toBe(serverId)
      expect(await reasonOf({ by: 'bundle-file', path }, await chainOf(serverId, foreign))).toMatch(
        /^svid-chain-/,
      )
    }
  })

  test('that is none is refused', async () => {
    const path = join(folder, 'bad')
    for (const text of ['', 'nonsense', '{"keys":[]}', '{', toPem('PRIVATE KEY', Buffer.of(1))]) {
      writeFileSync(path, text)
      await expect(open({ by: 'bundle-file', path })).rejects.toMatchObject({
        reason: 'trust-bundle',
      })
    }
    await expect(open({ by: 'bundle-file', path: join(folder, 'absent') })).rejects.toMatchObject({
      reason: 'trust-bundle',
    })
  })

  test('that the agent holds comes before whatever it was told at first', async () => {
    const held = bundleWith([{ ca: foreign }])
    for (const bootstrap of [{ by: 'ca-key', sha256: [pinOf(ca)] }, { by: 'nothing' }] as const) {
      expect(await reasonOf(bootstrap, chain, held)).toMatch(/^svid-chain-/)
    }
    expect(await reasonOf(undefined, await chainOf(serverId, foreign), held)).toBe(serverId)
  })

  test('that was fetched is the only thing that counts from then on', async () => {
    const trust = await open({ by: 'nothing' })
    expect(trust.verify(chain)).toBe(serverId)
    trust.adopt(bundleWith([{ ca: foreign }]))
    expect(() => trust.verify(chain)).toThrow()
    expect(trust.verify(await chainOf(serverId, foreign))).toBe(serverId)
  })
})

test('nothing at all to know the server by is refused', async () => {
  await expect(open(undefined)).rejects.toMatchObject({ code: 'invalid', reason: 'trust-missing' })
})

test('trust in nothing is said loudly at each start', async () => {
  const said: string[] = []
  const log: Log = { ...silentLog, warn: (message) => void said.push(message) }
  await open({ by: 'nothing' }, undefined, log)
  await open({ by: 'nothing' }, undefined, log)
  expect(said).toHaveLength(2)
  expect(said[0]).toMatch(/^INSECURE/)
})
