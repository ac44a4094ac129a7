import { describe, expect, test, vi } from 'vitest'
import type { CountersignError } from '../../../src/errors.ts'
import type { JWTSVIDResponse } from '../../../src/rpc/gen/JWTSVIDResponse.ts'
import type { ValidateJWTSVIDResponse } from '../../../src/rpc/gen/ValidateJWTSVIDResponse.ts'
import { silentLog } from '../../../src/runtime/log.ts'
import { TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import {
  answer,
  dial,
  header,
  nextMessage,
  ownUid,
  reasonOf,
  startEndpoint,
} from '../../unit/agent/workload-endpoint/fixture.ts'
import {
  derOf,
  entryOf,
  friend,
  signing,
  trustDomain,
} from '../../unit/agent/workload-endpoint/identities.ts'
import { corpus, bundle as forged, good } from '../jwt-svid/attack-corpus.ts'

const mine = `unix:uid:${ownUid}`
type Api = ReturnType<typeof dial>

function jwt(api: Api, audience: string[], id = ''): Promise<JWTSVIDResponse> {
  return answer((done) => api.FetchJWTSVID({ audience, spiffe_id: id }, header, done))
}

function validate(api: Api, audience: string, svid: string): Promise<ValidateJWTSVIDResponse> {
  return answer((done) => api.ValidateJWTSVID({ audience, svid }, header, done))
}

const soon = (): number => Math.floor(Date.now() / 1000) + 300

describe('X.509', () => {
  test('WLA-07 WLA-08 WLA-20 WLA-70 the first message comes at once and each holds everything', async () => {
    const { path, updates, home } = await startEndpoint()
    const web = entryOf('/web', [mine], { hint: 'internal' })
    const db = entryOf('/db', [mine])
    updates.set([web, db])
    const stream = dial(path).FetchX509SVID({}, header)
    const first = await nextMessage(stream)
    expect(first.svids).toEqual([
      {
        spiffe_id: 'spiffe://example.org/web',
        x509_svid: derOf('leaf of spiffe://example.org/web'),
        x509_svid_key: derOf('key of spiffe://example.org/web'),
        bundle: home.bundle.x509Authorities[0]?.certificate,
        hint: 'internal',
      },
      expect.objectContaining({ spiffe_id: 'spiffe://example.org/db', hint: '' }),
    ])
    expect(first.crl).toEqual([])
    updates.set([db])
    expect((await nextMessage(stream)).svids.map((svid) => svid.spiffe_id)).toEqual([
      'spiffe://example.org/db',
    ])
  })

  test('WLA-33 federated bundles stand under the IDs of their trust domains', async () => {
    const { path, updates } = await startEndpoint()
    const other = signing(friend).bundle
    updates.federated = new Map([[friend, other]])
    updates.set([entryOf('/web', [mine])])
    const stream = dial(path).FetchX509SVID({}, header)
    expect((await nextMessage(stream)).federated_bundles).toEqual({
      'spiffe://friend.org': other.x509Authorities[0]?.certificate,
    })
    updates.federated = new Map()
    updates.push()
    expect((await nextMessage(stream)).federated_bundles).toEqual({})
  })

  test('WLA-27 the stream ends with a refusal when the last identity goes', async () => {
    const { path, updates } = await startEndpoint()
    updates.set([entryOf('/web', [mine])])
    const api = dial(path)
    const streams = [
      api.FetchX509SVID({}, header),
      api.FetchX509Bundles({}, header),
      api.FetchJWTBundles({}, header),
    ]
    for (const stream of streams) await nextMessage<unknown>(stream as never)
    updates.set([])
    for (const stream of streams) {
      expect(await reasonOf(nextMessage<unknown>(stream as never))).toBe('no-identity')
    }
  })

  test('WLA-09 what would repeat the message before is not sent', async () => {
    const { path, updates } = await startEndpoint()
    updates.set([entryOf('/web', [mine])])
    const api = dial(path)
    const bundles = api.FetchX509Bundles({}, header)
    const svids = api.FetchX509SVID({}, header)
    await nextMessage(bundles)
    await nextMessage(svids)
    let messages = 0
    for (const stream of [bundles, svids]) {
      stream.on('data', () => {
        messages += 1
      })
      stream.resume()
    }
    updates.push()
    updates.push()
    // A call on the same connection goes through after whatever would have been sent before it.
    await jwt(api, ['a'])
    await jwt(api, ['a'])
    expect(messages).toBe(0)
  })

  test('WLA-30 WLA-33 the bundles hold the own trust domain and the federated ones', async () => {
    const { path, updates, home } = await startEndpoint()
    const other = signing(friend).bundle
    updates.federated = new Map([[friend, other]])
    updates.set([entryOf('/web', [mine])])
    const message = await nextMessage(dial(path).FetchX509Bundles({}, header))
    expect(message.bundles).toEqual({
      'spiffe://example.org': home.bundle.x509Authorities[0]?.certificate,
      'spiffe://friend.org': other.x509Authorities[0]?.certificate,
    })
  })

  test('WLA-31 WLA-48 bundles are for callers with an identity', async () => {
    const { path } = await startEndpoint()
    const api = dial(path)
    expect(await reasonOf(nextMessage(api.FetchX509Bundles({}, header)))).toBe('no-identity')
    expect(await reasonOf(nextMessage(api.FetchJWTBundles({}, header)))).toBe('no-identity')
  })
})

describe('JWT', () => {
  test('WLA-40 WLA-41 WLA-42 a token for each identity, or for the one that is named', async () => {
    const { path, updates, asked } = await startEndpoint()
    updates.set([entryOf('/web', [mine], { hint: 'w' }), entryOf('/db', [mine])])
    const api = dial(path)
    const all = await jwt(api, ['a', 'b'])
    expect(all.svids.map(({ spiffe_id, hint }) => [spiffe_id, hint])).toEqual([
      ['spiffe://example.org/web', 'w'],
      ['spiffe://example.org/db', ''],
    ])
    expect(all.svids.every(({ svid }) => svid.split('.').length === 3)).toBe(true)
    expect(asked.map(({ audience }) => audience)).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ])
    const one = await jwt(api, ['a'], 'spiffe://example.org/db')
    expect(one.svids.map((svid) => svid.spiffe_id)).toEqual(['spiffe://example.org/db'])
  })

  test('WLA-43 of entries with one hint the first counts', async () => {
    const { path, updates } = await startEndpoint()
    updates.set([
      entryOf('/a', [mine], { hint: 'x' }),
      entryOf('/b', [mine], { hint: 'x' }),
      entryOf('/c', [mine]),
      entryOf('/d', [mine]),
    ])
    const { svids } = await jwt(dial(path), ['a'])
    expect(svids.map((svid) => svid.spiffe_id.slice(-2))).toEqual(['/a', '/c', '/d'])
  })

  test('WLA-44 without that identity the call is refused', async () => {
    const { path, updates } = await startEndpoint()
    const api = dial(path)
    expect(await reasonOf(jwt(api, ['a']))).toBe('no-identity')
    updates.set([entryOf('/web', [mine])])
    expect(await reasonOf(jwt(api, ['a'], 'spiffe://example.org/other'))).toBe('no-identity')
    await expect(jwt(api, ['a'], 'example.org/web')).rejects.toMatchObject({ code: 'invalid' })
  })

  test('WLA-12 mandatory fields are checked', async () => {
    const { path, updates } = await startEndpoint()
    updates.set([entryOf('/web', [mine])])
    const api = dial(path)
    expect(await reasonOf(jwt(api, []))).toBe('audience-missing')
    expect(await reasonOf(jwt(api, ['']))).toBe('audience-missing')
    expect(await reasonOf(validate(api, '', 'x'))).toBe('audience-missing')
    expect(await reasonOf(validate(api, 'a', ''))).toBe('token-missing')
  })

  test('T12 a trust domain with a very large bundle loses its place, and no workload its SVID', async () => {
    const warn = vi.fn()
    const { path, updates } = await startEndpoint({ log: { ...silentLog, warn } })
    const bundles = [20, 2_000_000, 2_100_000].map((bytes, at) => {
      const { bundle } = signing(TrustDomain.parse(`friend-${at}.org`))
      const x509Authorities = [{ certificate: Buffer.alloc(bytes), tainted: false }]
      return { ...bundle, x509Authorities }
    })
    updates.federated = new Map(bundles.map((bundle) => [bundle.trustDomain, bundle]))
    updates.set([entryOf('/web', [`unix:uid:${ownUid}`])])
    const { svids, federated_bundles } = await nextMessage(dial(path).FetchX509SVID({}, header))
    expect(svids).toHaveLength(1)
    expect(Object.keys(federated_bundles)).toEqual([
      'spiffe://friend-0.org',
      'spiffe://friend-1.org',
    ])
    expect(warn).toHaveBeenCalledWith(expect.any(String), {
      trustDomains: ['spiffe://friend-2.org'],
    })
  })

  test('T12 audiences and messages are bounded', async () => {
    const { path, updates } = await startEndpoint()
    updates.set([entryOf('/web', [mine])])
    const api = dial(path)
    const many = Array.from({ length: 33 }, (_, index) => `a${index}`)
    expect(await reasonOf(jwt(api, many))).toBe('audience-too-many')
    expect(await reasonOf(jwt(api, ['é'.repeat(513)]))).toBe('audience-too-long')
    await expect(jwt(api, ['x'.repeat(140_000)])).rejects.toMatchObject({ code: 'exhausted' })
    expect((await jwt(api, ['é'.repeat(512)])).svids).toHaveLength(1)
  })

  test('WLA-45 WLA-46 the JWT bundles are JWKS by trust domain', async () => {
    const { path, updates } = await startEndpoint()
    updates.federated = new Map([[friend, { ...signing(friend).bundle, jwtAuthorities: [] }]])
    updates.set([entryOf('/web', [mine])])
    const { bundles } = await nextMessage(dial(path).FetchJWTBundles({}, header))
    const own = JSON.parse(String(bundles['spiffe://example.org']))
    expect(own.keys).toEqual([
      expect.objectContaining({ kty: 'EC', kid: 'k1', x: expect.any(String) }),
    ])
    expect(own.keys[0]).not.toHaveProperty('d')
    expect(JSON.parse(String(bundles['spiffe://friend.org']))).toEqual({ keys: [] })
  })
})

describe('ValidateJWTSVID', () => {
  test('WLA-49 WLA-50 WLA-51 a valid token is answered with its subject and all its claims', async () => {
    const { path, home } = await startEndpoint()
    const token = await home.sign({
      sub: 'spiffe://example.org/web',
      aud: 'a',
      exp: soon(),
      nested: { list: [1, 'two', null, true] },
    })
    const { spiffe_id, claims } = await validate(dial(path), 'a', token)
    expect(spiffe_id).toBe('spiffe://example.org/web')
    expect(Object.keys(claims?.fields ?? {}).sort()).toEqual(['aud', 'exp', 'nested', 'sub'])
    expect(claims?.fields['sub']?.stringValue).toBe('spiffe://example.org/web')
    expect(claims?.fields['aud']?.listValue?.values[0]?.stringValue).toBe('a')
    const list = claims?.fields['nested']?.structValue?.fields['list']?.listValue?.values
    expect(list?.map((value) => value.kind)).toEqual([
      'numberValue',
      'stringValue',
      'nullValue',
      'boolValue',
    ])
  })

  test('WLA-49 whatever is wrong with a token is an invalid argument', async () => {
    const { path, home } = await startEndpoint()
    const api = dial(path)
    const sub = 'spiffe://example.org/web'
    const tokens = [
      'x',
      'a.b.c',
      await home.sign({ sub, aud: 'a', exp: 1000 }),
      await home.sign({ sub, aud: 'b', exp: soon() }),
      await home.sign({ aud: 'a', exp: soon() }),
      await signing(trustDomain).sign({ sub, aud: 'a', exp: soon() }),
    ]
    for (const token of tokens) {
      await expect(validate(api, 'a', token)).rejects.toMatchObject({ code: 'invalid' })
    }
  })

  test('WLA-49 T11 each of the forgeries that no validator may take is an invalid argument', async () => {
    const { path, updates } = await startEndpoint({
      home: { bundle: forged, sign: () => Promise.reject(new Error('unused')) },
    })
    updates.set([entryOf('/web', [mine])])
    const api = dial(path)
    const codes = await Promise.all(
      corpus.map(([, token]) =>
        validate(api, 'me', token).then(
          () => 'accepted',
          ({ code, reason }: CountersignError) => `${code} ${reason.split('-')[0]}`,
        ),
      ),
    )
    // What is larger than any message may be has no reason of a token.
    expect(new Set(codes)).toEqual(new Set(['invalid token', 'exhausted rpc']))
    expect(codes.filter((code) => code.startsWith('exhausted')).length).toBeLessThan(5)
    expect((await validate(api, 'me', good)).spiffe_id).toBe('spiffe://example.org/web')
  })

  test('WLA-50 WLA-53 a foreign token is checked against its own bundle and tells less', async () => {
    const { path, updates, home } = await startEndpoint()
    const other = signing(friend)
    const claims = { sub: 'spiffe://friend.org/web', aud: ['a'], exp: soon(), role: 'root' }
    const api = dial(path)
    const genuine = await other.sign(claims)
    // The caller's entries do not federate with it yet.
    await expect(validate(api, 'a', genuine)).rejects.toMatchObject({ code: 'invalid' })
    updates.federated = new Map([[friend, other.bundle]])
    updates.push()
    const told = await validate(api, 'a', genuine)
    expect(Object.keys(told.claims?.fields ?? {}).sort()).toEqual(['aud', 'exp', 'sub'])
    const forged = await home.sign(claims)
    await expect(validate(api, 'a', forged)).rejects.toMatchObject({ code: 'invalid' })
  })
})
