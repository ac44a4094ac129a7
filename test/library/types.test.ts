import {
  type Bundle,
  type CountersignError,
  type Endpoint,
  type ErrorCode,
  type JwtSvid,
  matchId,
  parseEndpoint,
  SpiffeId,
  type SpiffeIdMatcher,
  TrustDomain,
  verifyJwtSvid,
  X509Source,
  type X509Svid,
} from 'countersign'
import type { connect, createServer, Peer } from 'countersign/tls'
import { expectTypeOf, test } from 'vitest'

// Checked by the compiler, in `npm run check`.

test('an ID and a trust domain are strings, but no string is one of them', () => {
  expectTypeOf(SpiffeId.parse).returns.toEqualTypeOf<SpiffeId>()
  expectTypeOf(SpiffeId.tryParse).returns.toEqualTypeOf<SpiffeId | undefined>()
  expectTypeOf<SpiffeId>().toExtend<string>()
  expectTypeOf<string>().not.toExtend<SpiffeId>()
  expectTypeOf<string>().not.toExtend<TrustDomain>()
  expectTypeOf<TrustDomain>().not.toExtend<SpiffeId>()
  expectTypeOf<SpiffeId>().not.toExtend<TrustDomain>()
  expectTypeOf(SpiffeId.trustDomainOf).returns.toEqualTypeOf<TrustDomain>()
  expectTypeOf(TrustDomain.parse).parameters.toEqualTypeOf<[string]>()
})

test('what is read cannot be changed', () => {
  expectTypeOf<X509Svid['chain']>().toEqualTypeOf<readonly Buffer[]>()
  expectTypeOf<Bundle['sequence']>().toEqualTypeOf<bigint>()
  expectTypeOf<Pick<JwtSvid, 'token'>>().toEqualTypeOf<{ readonly token: string }>()
  expectTypeOf<JwtSvid['claims']>().toEqualTypeOf<Readonly<Record<string, unknown>>>()
})

test('an endpoint is one of two kinds, told apart by `kind`', () => {
  expectTypeOf(parseEndpoint).returns.toEqualTypeOf<Endpoint>()
  expectTypeOf<Endpoint['kind']>().toEqualTypeOf<'unix' | 'tcp'>()
  expectTypeOf<Extract<Endpoint, { kind: 'unix' }>['path']>().toEqualTypeOf<string>()
})

test('a source is opened and closed, also by `await using`, and answers at once in between', () => {
  expectTypeOf(X509Source.open).returns.resolves.toEqualTypeOf<X509Source>()
  expectTypeOf<X509Source>().toExtend<AsyncDisposable>()
  expectTypeOf<ReturnType<X509Source['svid']>>().toEqualTypeOf<X509Svid>()
})

test('nobody is let in who was not named: `authorize` is not optional, and takes matchers of IDs', () => {
  expectTypeOf(matchId).returns.toEqualTypeOf<SpiffeIdMatcher>()
  expectTypeOf<Parameters<typeof connect>[0]['authorize']>().toEqualTypeOf<SpiffeIdMatcher>()
  expectTypeOf<Parameters<typeof createServer>[0]['authorize']>().toEqualTypeOf<SpiffeIdMatcher>()
  expectTypeOf<Pick<Peer, 'spiffeId'>>().toEqualTypeOf<{ readonly spiffeId: SpiffeId }>()
})

test('a token is verified for an audience, with bundles, at a time', () => {
  expectTypeOf<keyof Parameters<typeof verifyJwtSvid>[1]>().toEqualTypeOf<
    'audience' | 'bundles' | 'now'
  >()
  expectTypeOf(verifyJwtSvid).returns.resolves.toEqualTypeOf<JwtSvid>()
})

test('an error has a code of a closed list, and a reason', () => {
  expectTypeOf<CountersignError['code']>().toEqualTypeOf<ErrorCode>()
  expectTypeOf<string>().not.toExtend<ErrorCode>()
  expectTypeOf<CountersignError['reason']>().toEqualTypeOf<string>()
})
