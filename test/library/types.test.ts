import {
  type Bundle,
  type CountersignError,
  type ErrorCode,
  type HintedX509Svid,
  type JwtSource,
  type JwtSvid,
  matchId,
  type SourceState,
  SpiffeId,
  type SpiffeIdMatcher,
  TrustDomain,
  verifyJwtSvid,
  WorkloadApiClient,
  type X509Context,
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

test('a watch is read by `for await`, and typed as what it yields', () => {
  expectTypeOf(WorkloadApiClient.prototype.watchX509Context).returns.toExtend<
    AsyncIterable<X509Context>
  >()
  expectTypeOf<X509Context['svids'][0]>().toEqualTypeOf<HintedX509Svid>()
  expectTypeOf<WorkloadApiClient>().toExtend<AsyncDisposable>()
})

test('a source is opened and closed, also by `await using`, and answers at once in between', () => {
  expectTypeOf(X509Source.open).returns.resolves.toEqualTypeOf<X509Source>()
  expectTypeOf<X509Source>().toExtend<AsyncDisposable>()
  expectTypeOf<ReturnType<X509Source['svid']>>().toExtend<X509Svid>()
  expectTypeOf<JwtSource['state']>().toEqualTypeOf<SourceState>()
  expectTypeOf<SourceState>().toEqualTypeOf<'fresh' | 'stale' | 'expired'>()
})

test('nobody is let in who was not named: `authorize` is not optional, and takes matchers of IDs', () => {
  expectTypeOf(matchId).returns.toEqualTypeOf<SpiffeIdMatcher>()
  expectTypeOf<Parameters<typeof connect>[0]['authorize']>().toEqualTypeOf<SpiffeIdMatcher>()
  expectTypeOf<Parameters<typeof createServer>[0]['authorize']>().toEqualTypeOf<SpiffeIdMatcher>()
  expectTypeOf<Pick<Peer, 'spiffeId'>>().toEqualTypeOf<{ readonly spiffeId: SpiffeId }>()
})

test('a token is verified for an audience, with bundles, at a time that is now unless told', () => {
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
