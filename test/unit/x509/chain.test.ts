import { beforeAll, describe, expect, test } from 'vitest'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { verifyChain } from '../../../src/x509/chain.ts'
import { derNull } from '../../../src/x509/der-write.ts'
import { extension } from '../../../src/x509/encode.ts'
import type { KeyKind } from '../../../src/x509/key.ts'
import {
  certify,
  issued,
  type Made,
  NOW,
  nameConstraints,
  nameOf,
  opensslAccepts,
  party,
  reasonOf,
  root,
  type Shape,
} from '../../support/x509-fixtures.ts'

interface Chain {
  readonly leaf: Made
  readonly intermediates?: readonly Made[]
  readonly roots: readonly Made[]
  readonly now?: Date
}

function ours({ leaf, intermediates = [], roots, now = NOW }: Chain): string {
  return reasonOf(() =>
    verifyChain({
      leaf: leaf.certificate,
      intermediates: intermediates.map((made) => made.certificate),
      roots: roots.map((made) => made.certificate),
      now,
    }),
  )
}

/** And how many signatures were looked at for it. */
function counted(chain: Chain): { reason: string; signatures: number } {
  let signatures = 0
  const counting = (made: Made): Made => ({
    ...made,
    certificate: {
      ...made.certificate,
      get signature() {
        signatures += 1
        return made.certificate.signature
      },
    },
  })
  const { leaf, intermediates = [] } = chain
  const reason = ours({
    ...chain,
    leaf: counting(leaf),
    intermediates: intermediates.map(counting),
  })
  return { reason, signatures }
}

function openssl({ leaf, intermediates = [], roots, now = NOW }: Chain): boolean {
  return opensslAccepts({
    leaf: leaf.der,
    intermediates: intermediates.map((made) => made.der),
    roots: roots.map((made) => made.der),
    now,
  })
}

const URI = 0x86
const DNS = 0x82
const leafShape: Shape = { uris: ['spiffe://example.org/web'], dnsNames: ['web.example.org'] }
const seconds = (date: Date, by: number) => new Date(date.getTime() + by * 1000)

/** Root, as many authorities as there are shapes, leaf. */
async function line(
  shapes: { root?: Shape; cas?: readonly Shape[]; leaf?: Shape } = {},
): Promise<Chain> {
  const top = await root('root', shapes.root)
  const intermediates: Made[] = []
  for (const [i, shape] of (shapes.cas ?? []).entries()) {
    intermediates.push(await issued(`ca ${i}`, intermediates.at(-1) ?? top, { ca: true, ...shape }))
  }
  const leaf = await issued('leaf', intermediates.at(-1) ?? top, { ...leafShape, ...shapes.leaf })
  return { leaf, intermediates, roots: [top] }
}

const many = (count: number): Shape[] => Array.from({ length: count }, () => ({}))
const critical = extension('1.2.3.4.5', derNull(), true)
const past = { notBefore: seconds(NOW, -100), notAfter: seconds(NOW, -1) }
const future = { notBefore: seconds(NOW, 1), notAfter: seconds(NOW, 100) }

describe('X509-24 a chain is judged as by openssl', () => {
  const cases: readonly (readonly [string, string, () => Promise<Chain>])[] = [
    ['a leaf under a root', 'ok', () => line()],
    ['a leaf under an authority', 'ok', () => line({ cas: many(1) })],
    ['a leaf under eight authorities', 'ok', () => line({ cas: many(8) })],
    [
      'X509-24 authorities in any order',
      'ok',
      async () => {
        const chain = await line({ cas: many(4) })
        return { ...chain, intermediates: [...(chain.intermediates ?? [])].reverse() }
      },
    ],
    [
      'authorities that nobody needs',
      'ok',
      async () => {
        const [chain, other] = [await line({ cas: many(1) }), await line({ cas: many(2) })]
        return {
          ...chain,
          intermediates: [...(other.intermediates ?? []), ...(chain.intermediates ?? [])],
        }
      },
    ],
    [
      'X509-24 a missing authority',
      'chain-unknown-authority',
      async () => ({ ...(await line({ cas: many(1) })), intermediates: [] }),
    ],
    [
      'another root',
      'chain-unknown-authority',
      async () => ({ ...(await line()), roots: [await root('other')] }),
    ],
    ['no root', 'chain-unknown-authority', async () => ({ ...(await line()), roots: [] })],
    [
      'X509-24 a root of the same name with another key',
      'chain-unknown-authority',
      async () => ({ ...(await line()), roots: [await root('root')] }),
    ],
    [
      'the same without key identifiers',
      'chain-signature',
      async () => ({
        ...(await line({ leaf: { authorityKeyId: null } })),
        roots: [await root('root')],
      }),
    ],
    ['an expired leaf', 'chain-expired', () => line({ leaf: past })],
    ['an expired authority', 'chain-expired', () => line({ cas: [past] })],
    ['an expired root', 'chain-expired', () => line({ root: past })],
    ['a leaf of tomorrow', 'chain-not-yet-valid', () => line({ leaf: future })],
    ['an authority of tomorrow', 'chain-not-yet-valid', () => line({ cas: [future] })],
    ['a root of tomorrow', 'chain-not-yet-valid', () => line({ root: future })],
    [
      'an authority without the CA bit',
      'chain-not-a-ca',
      () => line({ cas: [{ ca: false, usage: ['keyCertSign'] }] }),
    ],
    [
      'an authority without basic constraints',
      'chain-not-a-ca',
      () => line({ cas: [{ ca: false, basicConstraints: null, usage: ['keyCertSign'] }] }),
    ],
    [
      'an authority that may not sign',
      'chain-key-usage',
      () => line({ cas: [{ usage: ['cRLSign'] }] }),
    ],
    [
      'a root that may not sign',
      'chain-key-usage',
      () => line({ root: { usage: ['digitalSignature'] } }),
    ],
    ['a root without key usage', 'ok', () => line({ root: { usage: null } })],
    [
      'X509-24 a leaf issued by a leaf',
      'chain-not-a-ca',
      async () => {
        const chain = await line()
        return {
          ...chain,
          intermediates: [chain.leaf],
          leaf: await issued('second', chain.leaf, leafShape),
        }
      },
    ],
    ['X509-13 path length 0 above a leaf', 'ok', () => line({ root: { pathLength: 0 } })],
    [
      'X509-13 path length 0 above an authority',
      'chain-path-length',
      () => line({ root: { pathLength: 0 }, cas: many(1) }),
    ],
    [
      'path length 1 above one authority',
      'ok',
      () => line({ root: { pathLength: 1 }, cas: many(1) }),
    ],
    [
      'path length 1 above two authorities',
      'chain-path-length',
      () => line({ root: { pathLength: 1 }, cas: many(2) }),
    ],
    [
      'path length 0 in the middle',
      'chain-path-length',
      () => line({ cas: [{ pathLength: 0 }, {}] }),
    ],
    [
      'an unknown critical extension in the leaf',
      'chain-unknown-critical-extension',
      () => line({ leaf: { extra: [critical] } }),
    ],
    [
      'an unknown critical extension in an authority',
      'chain-unknown-critical-extension',
      () => line({ cas: [{ extra: [critical] }] }),
    ],
    [
      'an unknown extension that is not critical',
      'ok',
      () => line({ leaf: { extra: [extension('1.2.3', derNull())] } }),
    ],
    [
      'an empty subject',
      'ok',
      async () => {
        const top = await root('root')
        return { leaf: await issued('', top, leafShape), roots: [top] }
      },
    ],
    [
      'X509-16 a URI host that is permitted',
      'ok',
      () => line({ root: { extra: [nameConstraints([[URI, 'example.org']])] } }),
    ],
    [
      'X509-16 a URI host that is not permitted',
      'chain-name-constraints',
      () => line({ root: { extra: [nameConstraints([[URI, 'other.org']])] } }),
    ],
    [
      'X509-16 constraints that are not critical',
      'chain-name-constraints',
      () => line({ root: { extra: [nameConstraints([[URI, 'other.org']], [], false)] } }),
    ],
    [
      'a URI below a permitted host',
      'chain-name-constraints',
      () =>
        line({
          root: { extra: [nameConstraints([[URI, 'example.org']])] },
          leaf: { uris: ['spiffe://a.example.org/x'] },
        }),
    ],
    [
      'a URI below a permitted domain',
      'ok',
      () =>
        line({
          root: { extra: [nameConstraints([[URI, '.example.org']])] },
          leaf: { uris: ['spiffe://a.example.org/x'] },
        }),
    ],
    [
      'a URI at the top of a permitted domain',
      'chain-name-constraints',
      () => line({ root: { extra: [nameConstraints([[URI, '.example.org']])] } }),
    ],
    [
      'an excluded URI host',
      'chain-name-constraints',
      () => line({ root: { extra: [nameConstraints([], [[URI, 'example.org']])] } }),
    ],
    [
      'another excluded URI host',
      'ok',
      () => line({ root: { extra: [nameConstraints([], [[URI, 'other.org']])] } }),
    ],
    [
      'constraints of an authority',
      'chain-name-constraints',
      () => line({ cas: [{ extra: [nameConstraints([[URI, 'other.org']])] }, {}] }),
    ],
    [
      'the own URI of an authority',
      'chain-name-constraints',
      () =>
        line({
          root: { extra: [nameConstraints([[URI, 'example.org']])] },
          cas: [{ uris: ['spiffe://other.org'] }],
        }),
    ],
    [
      'a permitted DNS domain',
      'ok',
      () => line({ root: { extra: [nameConstraints([[DNS, 'example.org']])] } }),
    ],
    [
      'a permitted DNS domain in other case',
      'ok',
      () => line({ root: { extra: [nameConstraints([[DNS, 'EXAMPLE.org']])] } }),
    ],
    [
      'a DNS name that only ends alike',
      'chain-name-constraints',
      () =>
        line({
          root: { extra: [nameConstraints([[DNS, 'example.org']])] },
          leaf: { dnsNames: ['badexample.org'] },
        }),
    ],
    [
      'an excluded DNS name',
      'chain-name-constraints',
      () => line({ root: { extra: [nameConstraints([], [[DNS, 'web.example.org']])] } }),
    ],
    [
      'a permitted address',
      'ok',
      () =>
        line({
          root: { extra: [nameConstraints([[0x87, Buffer.of(10, 0, 0, 0, 255, 0, 0, 0)]])] },
          leaf: { ips: [Buffer.of(10, 1, 2, 3)] },
        }),
    ],
    [
      'another address',
      'chain-name-constraints',
      () =>
        line({
          root: { extra: [nameConstraints([[0x87, Buffer.of(10, 0, 0, 0, 255, 0, 0, 0)]])] },
          leaf: { ips: [Buffer.of(11, 1, 2, 3)] },
        }),
    ],
    [
      'a constraint on one form for names of another',
      'ok',
      () =>
        line({
          root: { extra: [nameConstraints([[0x87, Buffer.of(10, 0, 0, 0, 255, 0, 0, 0)]])] },
        }),
    ],
    [
      'a good leaf with a bit of its signature changed',
      'chain-signature',
      async () => {
        const chain = await line()
        const der = Buffer.from(chain.leaf.der)
        der[der.length - 1] = (der.at(-1) ?? 0) ^ 1
        return { ...chain, leaf: { ...chain.leaf, der, certificate: parseCertificate(der) } }
      },
    ],
    [
      'a circle of two authorities',
      'chain-unknown-authority',
      async () => {
        const [a, b] = [await party('a'), await party('b')]
        const intermediates = [await certify(a, b, { ca: true }), await certify(b, a, { ca: true })]
        return {
          leaf: await issued('leaf', a, leafShape),
          intermediates,
          roots: [await root('root')],
        }
      },
    ],
    [
      'a self-issued authority, which no path length counts',
      'ok',
      async () => {
        const top = await root('root', { pathLength: 0 })
        const renewed = await issued('root', top, { ca: true })
        return {
          leaf: await issued('leaf', renewed, leafShape),
          intermediates: [renewed],
          roots: [top],
        }
      },
    ],
  ]

  test.each(cases)('%s: %s', async (_title, expected, make) => {
    const chain = await make()
    expect(ours(chain)).toBe(expected)
    expect(openssl(chain)).toBe(expected === 'ok')
  })

  test.each(['ec-p384', 'ec-p521', 'rsa-2048', 'ed25519'] as const)(
    'an authority with a key of kind %s',
    async (kind) => {
      const self = await party('root', kind)
      const top = await certify(self, self, { ca: true })
      const chain = { leaf: await issued('leaf', top, leafShape), roots: [top] }
      expect(ours(chain)).toBe('ok')
      expect(openssl(chain)).toBe(true)
    },
  )
})

describe('a path is found where openssl tries only the first authority that fits', () => {
  test('the root stands between others of its name', async () => {
    const chain = await line({ leaf: { authorityKeyId: null } })
    const roots = [await root('root'), ...chain.roots, await root('root')]
    expect(ours({ ...chain, roots })).toBe('ok')
  })

  test('an authority was certified by a stranger, and by ours', async () => {
    const [top, stranger] = [await root('root'), await root('stranger')]
    const middle = await party('middle')
    const intermediates = [
      await certify(middle, stranger, { ca: true }),
      await certify(middle, top, { ca: true }),
    ]
    expect(
      ours({ leaf: await issued('leaf', middle, leafShape), intermediates, roots: [top] }),
    ).toBe('ok')
  })
})

describe('a chain is judged more strictly than by openssl', () => {
  test('X509-17 an authority without key usage is refused', async () => {
    expect(ours(await line({ cas: [{ usage: null }] }))).toBe('chain-key-usage')
  })

  test('a constraint on a form that is not enforced is refused', async () => {
    const directory = nameConstraints([[0xa4, nameOf('x')]])
    expect(ours(await line({ root: { extra: [directory] } }))).toBe('chain-name-constraints')
    const email = nameConstraints([[0x81, 'example.org']])
    expect(ours(await line({ root: { extra: [email] } }))).toBe('chain-name-constraints')
  })

  test('a wildcard that reaches into an excluded DNS domain is refused', async () => {
    const extra = [nameConstraints([], [[DNS, 'secret.example.org']])]
    const chain = await line({ root: { extra }, leaf: { dnsNames: ['*.example.org'] } })
    expect(ours(chain)).toBe('chain-name-constraints')
  })

  test('a leaf that stands in the bundle is not its own authority', async () => {
    const leaf = await issued('leaf', await root('root'), leafShape)
    expect(ours({ leaf, roots: [leaf] })).toBe('chain-unknown-authority')
    const self = await party('self')
    const selfSigned = await certify(self, self, leafShape)
    expect(ours({ leaf: selfSigned, roots: [selfSigned] })).not.toBe('ok')
  })
})

test('the last second of a certificate counts, the next does not', async () => {
  const notBefore = seconds(NOW, -10)
  const chain = await line({ leaf: { notBefore, notAfter: NOW } })
  expect(ours({ ...chain, now: NOW })).toBe('ok')
  expect(ours({ ...chain, now: seconds(NOW, 0.999) })).toBe('ok')
  expect(ours({ ...chain, now: seconds(NOW, 1) })).toBe('chain-expired')
  expect(ours({ ...chain, now: notBefore })).toBe('ok')
  expect(ours({ ...chain, now: seconds(notBefore, -0.001) })).toBe('chain-not-yet-valid')
})

test('a time that is no time gives no trust', async () => {
  expect(ours({ ...(await line()), now: new Date(Number.NaN) })).not.toBe('ok')
})

test('an authority that is in the bundle is an anchor, self-signed or not', async () => {
  const chain = await line({ cas: many(1) })
  expect(ours({ leaf: chain.leaf, roots: chain.intermediates ?? [] })).toBe('ok')
})

test('the path comes back, leaf first, root last', async () => {
  const { leaf, intermediates = [], roots } = await line({ cas: many(2) })
  const path = verifyChain({
    leaf: leaf.certificate,
    intermediates: intermediates.map((made) => made.certificate),
    roots: roots.map((made) => made.certificate),
    now: NOW,
  })
  const expected = [leaf, ...[...intermediates].reverse(), ...roots]
  expect(path.map((certificate) => certificate.der)).toEqual(expected.map((made) => made.der))
})

describe('T6 a chain that is made to burn time', () => {
  test('is refused at eleven certificates', async () => {
    expect(ours(await line({ cas: many(9) }))).toBe('chain-too-long')
  })

  test('is refused at 17 authorities', async () => {
    const chain = await line({ cas: many(1) })
    const [one] = chain.intermediates as [Made]
    expect(ours({ ...chain, intermediates: Array.from({ length: 17 }, () => one) })).toBe(
      'chain-too-long',
    )
  })

  /** A leaf and the authorities behind it, each of which could have signed every other. */
  async function twins(name: string, kind: KeyKind, count: number): Promise<Omit<Chain, 'roots'>> {
    const open: Shape = { subjectKeyId: null, authorityKeyId: null }
    const intermediates = await Promise.all(
      Array.from({ length: count }, async () => {
        const twin = await party(name, kind)
        return certify(twin, twin, { ca: true, ...open })
      }),
    )
    const last = intermediates.at(-1) as Made
    return { leaf: await issued('leaf', last, { ...leafShape, ...open }), intermediates }
  }

  test('costs no signature where no anchor has the name', async () => {
    const chain = await twins('twin', 'ec-p521', 16)
    expect(counted({ ...chain, roots: [await root('root')] })).toEqual({
      reason: 'chain-too-costly',
      signatures: 0,
    })
  })

  test('costs one signature a certificate at most where the anchor has the name', async () => {
    const chain = await twins('root', 'ec-p521', 9)
    const { reason, signatures } = counted({ ...chain, roots: [await root('root')] })
    expect(reason).toBe('chain-too-costly')
    expect(signatures).toBeLessThanOrEqual(10)
  })

  test('is verified where only one of several of a name leads to the anchor', async () => {
    const top = await root('root')
    const { intermediates = [] } = await twins('twin', 'ec-p256', 3)
    const real = await issued('twin', top, { ca: true, subjectKeyId: null })
    const leaf = await issued('leaf', real, { ...leafShape, authorityKeyId: null })
    const chain = { leaf, intermediates: [...intermediates, real], roots: [top] }
    // Each pair once: below the anchor, the leaf, and the three that are not.
    expect(counted(chain)).toEqual({ reason: 'ok', signatures: 5 })
  })
})

describe('T34 a bundle of 60 authorities with one subject', () => {
  const cas: Made[] = []
  beforeAll(async () => {
    for (let i = 0; i < 60; i++) cas.push(await root('one name for all'))
  })

  test.each([
    ['by one signature with key identifiers', {}, 1],
    ['by one an authority without', { authorityKeyId: null }, 60],
  ])('verifies a chain %s', async (_title, shape: Shape, signatures) => {
    const leaf = await issued('leaf', cas[59] as Made, { ...leafShape, ...shape })
    expect(counted({ leaf, roots: cas })).toEqual({ reason: 'ok', signatures })
  })
})
