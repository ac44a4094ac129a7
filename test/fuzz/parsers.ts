import { readdirSync } from 'node:fs'
import fc from 'fast-check'
import { openCursor, sealCursor } from '../../server/entry/cursor.ts'
import type { Bundle, JwtAuthority } from '../../src/bundle/bundle.ts'
import {
  jwtBundleJwks,
  parseBundleDocument,
  parseJwtBundleJwks,
  sameBundle,
  writeBundleDocument,
} from '../../src/bundle/document.ts'
import { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { bundleRecipes, makeBundle } from '../interop/parsers/bundles.ts'
import { idInputs } from '../interop/parsers/ids.ts'
import { withTextBytes } from './bytes.ts'
import { configParser } from './config.ts'
import { csrParser, pemParser } from './csr.ts'
import { feedParser } from './feed.ts'
import { policyParser } from './policy.ts'
import { proxiedRequestParser, requestPathParser } from './proxied.ts'
import type { Parser, Target } from './target.ts'
import { accessTokenParser, foreignTokenParser, tokenParser } from './tokens.ts'
import { trailParser } from './trail.ts'
import { certificateParser } from './x509.ts'

const td = TrustDomain.parse('example.org')
const emptyBundle: Bundle = {
  ...{ trustDomain: td, x509Authorities: [], jwtAuthorities: [], sequence: 0n },
  refreshHintSeconds: 0,
}

/** What all threads of this process have done. */
function ownWorkMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** A parser in this process. */
function parser(name: string, open: (seed: number) => Promise<Parser>): Target {
  return {
    name,
    async open(seed) {
      const { close, ...opened } = await open(seed)
      return {
        ...opened,
        workedMs: ownWorkMs,
        descriptors: () => readdirSync('/proc/self/fd').length,
        [Symbol.asyncDispose]: async () => close?.(),
      }
    },
  }
}

const text = (input: Uint8Array): string => Buffer.from(input).toString('utf8')

const spiffeId = parser('spiffe-id', async () => ({
  inputs: withTextBytes(idInputs.map((input) => input.text)),
  take(input) {
    // Both readers have to agree, and a path is judged as in a whole ID.
    const given = text(input)
    const id = SpiffeId.tryParse(given)
    if (TrustDomain.tryParse(given) !== undefined) TrustDomain.parseIdOrName(given)
    if (id === undefined) return SpiffeId.parse(given)
    return SpiffeId.of(SpiffeId.trustDomainOf(id), SpiffeId.pathOf(id))
  },
}))

const bundle = parser('bundle', async () => {
  const texts = bundleRecipes.map((recipe) => makeBundle(recipe).text)
  const long = fc.constantFrom(
    `{"keys":[${'{},'.repeat(300_000)}{}]}`,
    `{"x":"${'\\"'.repeat(400_000)}","keys":[]}`,
    `${'{"a":'.repeat(100_000)}`,
    `{${Array.from({ length: 50_000 }, (_, n) => `"k${n}":1`).join(',')},"keys":[]}`,
  )
  return {
    inputs: withTextBytes(
      fc.oneof({ weight: 200, arbitrary: texts }, { weight: 1, arbitrary: long }),
    ),
    take(input) {
      if (input.length % 2 === 0) return jwksReadAgain(input)
      const read = parseBundleDocument(td, text(input))
      const again = parseBundleDocument(td, writeBundleDocument(read))
      if (!sameBundle(read, again) || again.sequence !== read.sequence) {
        throw new Error('what is written of it is another bundle')
      }
      return read
    },
  }
})

function jwksReadAgain(jwks: Uint8Array): readonly JwtAuthority[] {
  const authorities = parseJwtBundleJwks(jwks)
  const bundle = { ...emptyBundle, jwtAuthorities: authorities }
  const again = { ...emptyBundle, jwtAuthorities: parseJwtBundleJwks(jwtBundleJwks(bundle)) }
  if (!sameBundle(bundle, again)) throw new Error('what is written of them are others')
  return authorities
}

const cursor = parser('cursor', async () => {
  const key = Buffer.alloc(32, 7)
  const filter = { owner: 'team' }
  const texts = fc.oneof(
    fc.string({ maxLength: 60 }).map((id) => sealCursor(key, filter, id)),
    fc.string({ maxLength: 60 }).map((id) => sealCursor(key, {}, id)),
    fc.constantFrom('', 'A'.repeat(2773), 'A'.repeat(2774), 'A'.repeat(1_000_000)),
  )
  return { inputs: withTextBytes(texts), take: (input) => openCursor(key, filter, text(input)) }
})

const feed = parser('feed', feedParser)
const token = parser('jwt', tokenParser)
const foreignToken = parser('foreign-token', foreignTokenParser)
const accessToken = parser('access-token', accessTokenParser)
const trail = parser('trail', trailParser)
const csr = parser('csr', csrParser)
const certificate = parser('certificate', certificateParser)
const pem = parser('pem', pemParser)
const policy = parser('policy', policyParser)
const config = parser('config', configParser)
const requestPath = parser('request-path', requestPathParser)
const proxiedRequest = parser('proxied-request', proxiedRequestParser)

export const parsers: readonly Target[] = [
  ...[
    spiffeId,
    token,
    foreignToken,
    accessToken,
    csr,
    certificate,
    pem,
    bundle,
    cursor,
    feed,
    policy,
  ],
  ...[requestPath, proxiedRequest, trail, config],
]
