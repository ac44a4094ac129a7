import { createPublicKey } from 'node:crypto'
import type { Bundle } from '../../../src/bundle/bundle.ts'
import { publicJwk } from '../../../src/jwt/jwk.ts'
import {
  bundleOf,
  claimsWith,
  encode,
  forge,
  hmac,
  mint,
  newAuthority,
  otherTd,
  signAs,
  td,
  web,
} from './tokens.ts'

const ec = await newAuthority('ec-p256', 'ec')
const ec384 = await newAuthority('ec-p384', 'ec384')
const rsa = await newAuthority('rsa-2048', 'rsa')
const mallory = await newAuthority('ec-p256', 'ec')
const malloryRsa = await newAuthority('rsa-2048', 'rsa')
/** Of the trust domain whose tokens are forged, and of the forger's. */
export const bundle: Bundle = bundleOf(td, [ec, ec384, rsa])
export const foreignBundle: Bundle = bundleOf(otherTd, [mallory])
// They do not expire, so that any validator's clock will do.
const claims = claimsWith({ exp: 9_999_999_999 })
const header = { alg: 'ES256', kid: 'ec', typ: 'JWT' }
/** What most of them are made from, and everybody takes. */
export const good: string = mint(ec, claims, header)
const [h = '', p = '', s = ''] = good.split('.')

const pem = (spki: Buffer): string =>
  createPublicKey({ key: spki, format: 'der', type: 'spki' })
    .export({ format: 'pem', type: 'spki' })
    .toString()

/** What is wrong with it, and the token. */
export type Row = readonly [what: string, token: string]

const algorithmRows: readonly Row[] = [
  ...['none', 'None', 'NONE', 'nOnE', 'none ', ''].flatMap((alg): Row[] => [
    [`alg ${JSON.stringify(alg)} without a signature`, `${encode({ ...header, alg })}.${p}.`],
    [`alg ${JSON.stringify(alg)} with the signature`, `${encode({ ...header, alg })}.${p}.${s}`],
    [`alg ${JSON.stringify(alg)} in two parts`, `${encode({ ...header, alg })}.${p}`],
  ]),
  ...[ec, rsa].flatMap((authority) =>
    ['HS256', 'HS384', 'HS512'].flatMap((alg): Row[] => {
      const with_ = { alg, kid: authority.keyId, typ: 'JWT' }
      const text = pem(authority.publicKey)
      return [
        [
          `${alg} keyed with the DER of ${authority.keyId}`,
          hmac(with_, claims, authority.publicKey),
        ],
        [`${alg} keyed with the PEM of ${authority.keyId}`, hmac(with_, claims, text)],
        [
          `${alg} keyed with the trimmed PEM of ${authority.keyId}`,
          hmac(with_, claims, text.trim()),
        ],
        [
          `${alg} keyed with the JWK of ${authority.keyId}`,
          hmac(with_, claims, JSON.stringify(publicJwk(authority.publicKey))),
        ],
        [`${alg} keyed with nothing, ${authority.keyId}`, hmac(with_, claims, '')],
      ]
    }),
  ),
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES384', 'ES512'].map(
    (alg): Row => [`${alg} over the ES256 signature`, `${encode({ ...header, alg })}.${p}.${s}`],
  ),
  ...['ES256', 'ES384', 'ES512'].map(
    (alg): Row => [
      `${alg} with the id of the RSA key, signed by RSA`,
      `${encode({ alg, kid: 'rsa' })}.${p}.${signAs('RS256', Buffer.from(`${encode({ alg, kid: 'rsa' })}.${p}`), rsa.privateKey).toString('base64url')}`,
    ],
  ),
  ['RS256 header over a PS256 signature', swapped('RS256', 'PS256')],
  ['PS256 header over an RS256 signature', swapped('PS256', 'RS256')],
  ['RS256 header over an RS512 signature', swapped('RS256', 'RS512')],
  [
    'RS256 with the id of the EC key, signed by the RSA key',
    forge({ alg: 'RS256', kid: 'ec' }, claims, rsa.privateKey, 'RS256'),
  ],
  [
    'ES256 with the id of the RSA key, signed by the EC key',
    forge({ alg: 'ES256', kid: 'rsa' }, claims, ec.privateKey, 'ES256'),
  ],
  ...[
    'EdDSA',
    'Ed25519',
    'ES256K',
    'RSA-OAEP',
    'dir',
    'A256KW',
    'PBES2-HS256+A128KW',
    'RS1',
    'ML-DSA-44',
    'ES256\u0000',
    'toString',
    'hasOwnProperty',
    '__proto__',
  ].map(
    (alg): Row => [
      `alg ${JSON.stringify(alg)}`,
      forge({ ...header, alg }, claims, ec.privateKey, 'ES256'),
    ],
  ),
  ...[null, 0, true, [], {}, ['ES256'], { ES256: 1 }].map(
    (alg): Row => [
      `alg ${JSON.stringify(alg)}`,
      forge({ ...header, alg }, claims, ec.privateKey, 'ES256'),
    ],
  ),
]

function swapped(named: string, used: string): string {
  return forge({ alg: named, kid: 'rsa' }, claims, rsa.privateKey, used)
}

const keyIdRows: readonly Row[] = [
  ...[
    '../../dev/null',
    '/dev/null',
    'file:///dev/null',
    'C:\\nul',
    '..',
    '',
    ' ec',
    'ec ',
    'EC',
    'ec\u0000',
    'ec\n',
    "ec' OR '1'='1",
    "x' UNION SELECT 'ec'--",
    '"; DROP TABLE keys;--',
    '$(id)',
    '`id`',
    '{{7*7}}',
    '%65c',
    'https://mallory.example/jwks.json',
    '*',
    'e?',
    '^ec$',
    '__proto__',
    'constructor',
    'toString',
    'length',
    '0',
    'ｅｃ',
    'e\u0301c',
    'a'.repeat(40_000),
  ].map(
    (kid): Row => [
      `kid ${JSON.stringify(kid.slice(0, 40))}`,
      forge({ ...header, kid }, claims, ec.privateKey, 'ES256'),
    ],
  ),
  ...[0, null, true, ['ec'], { toString: 'ec' }].map(
    (kid): Row => [
      `kid ${JSON.stringify(kid)}`,
      forge({ ...header, kid }, claims, ec.privateKey, 'ES256'),
    ],
  ),
  ['kid of ours, key of another trust domain', mint(mallory, claims, header)],
  ['kid of ours, unknown RSA key', mint(malloryRsa, claims, { alg: 'RS256', kid: 'rsa' })],
  ['no kid, key of another trust domain', mint(mallory, claims, { alg: 'ES256' })],
]

const own = publicJwk(mallory.publicKey)
const headerRows: readonly Row[] = [
  ['jwk', { jwk: own }],
  ['jwk with the id', { jwk: { ...own, kid: 'ec' } }],
  ['jku', { jku: 'https://mallory.example/jwks.json' }],
  ['jku of ours with user info', { jku: 'https://example.org@mallory.example/' }],
  ['x5u', { x5u: 'https://mallory.example/c.pem' }],
  ['x5c', { x5c: [mallory.publicKey.toString('base64')] }],
  ['x5t', { x5t: 'AAAA' }],
  ['x5t#S256', { 'x5t#S256': 'AAAA' }],
  ['crit of nothing', { crit: [] }],
  ['crit of b64', { crit: ['b64'], b64: false }],
  ['crit of b64, true', { crit: ['b64'], b64: true }],
  ['crit of alg', { crit: ['alg'] }],
  ['crit of the unknown', { crit: ['http://x'], 'http://x': 1 }],
  ['crit that is no array', { crit: 'exp' }],
  ['b64 false', { b64: false }],
  ['b64 true', { b64: true }],
  ['zip', { zip: 'DEF' }],
  ['enc', { enc: 'A256GCM' }],
  ['epk', { epk: own }],
  ['cty', { cty: 'JWT' }],
  ['url', { url: 'https://example.org' }],
  ['p2c', { p2c: 2_000_000_000 }],
  ['an exp in the header', { exp: 1 }],
  ['Alg', { Alg: 'none' }],
  ['ALG', { ALG: 'none' }],
].map(
  ([name, extra]): Row => [
    `header ${String(name)}`,
    forge({ ...header, ...(extra as object) }, claims, mallory.privateKey, 'ES256'),
  ],
)

// P-256: the order of the group, at which r and s wrap around.
const n = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex')
const zero = Buffer.alloc(32)
const one = Buffer.concat([Buffer.alloc(31), Buffer.from([1])])
const r = Buffer.from(s, 'base64url').subarray(0, 32)
const sPart = Buffer.from(s, 'base64url').subarray(32)
const signatureRows: readonly Row[] = [
  ['empty', Buffer.alloc(0)],
  ['one byte', Buffer.alloc(1)],
  ['r = s = 0', Buffer.concat([zero, zero])],
  ['r = 0', Buffer.concat([zero, sPart])],
  ['s = 0', Buffer.concat([r, zero])],
  ['r = s = 1', Buffer.concat([one, one])],
  ['r = s = n', Buffer.concat([n, n])],
  ['r = n', Buffer.concat([n, sPart])],
  ['s = n', Buffer.concat([r, n])],
  ['all ones', Buffer.alloc(64, 0xff)],
  ['r and s swapped', Buffer.concat([sPart, r])],
  ['of 63 bytes', Buffer.alloc(63, 1)],
  ['of 65 bytes', Buffer.concat([r, sPart, zero.subarray(0, 1)])],
  ['twice', Buffer.concat([r, sPart, r, sPart])],
  ['of 40,000 bytes', Buffer.alloc(40_000, 1)],
  ['as DER 0', Buffer.from('3006020100020100', 'hex')],
].map(
  ([name, bytes]): Row => [
    `a signature ${String(name)}`,
    `${h}.${p}.${(bytes as Buffer).toString('base64url')}`,
  ],
)

const json = (text: string): string => forge(header, text, ec.privateKey, 'ES256')
const head = (text: string): string => forge(text, claims, ec.privateKey, 'ES256')
const valid = JSON.stringify(claims).slice(1, -1)
const jsonRows: readonly Row[] = [
  ['sub twice', json(`{${valid},"sub":"spiffe://example.org/admin"}`)],
  ['sub twice, once escaped', json(`{${valid},"s\\u0075b":"spiffe://example.org/admin"}`)],
  ['aud twice', json(`{"aud":"you",${valid}}`)],
  ['exp twice', json(`{"exp":1,${valid}}`)],
  ['a deep member twice', json(`{${valid},"x":[{"a":1,"a":2}]}`)],
  [
    '__proto__ with an audience',
    json(`{"__proto__":{"aud":"me"},"sub":"${web}","exp":9999999999}`),
  ],
  ['__proto__ beside all claims', json(`{${valid},"__proto__":{"polluted":1}}`)],
  ['__proto__ escaped', json(`{${valid},"\\u005f_proto__":{"polluted":1}}`)],
  ['__proto__ deep', json(`{${valid},"x":{"y":[{"__proto__":{"polluted":1}}]}}`)],
  ['a depth of 10,000', json(`{${valid},"x":${'['.repeat(10_000)}${']'.repeat(10_000)}}`)],
  ['a comment', json(`{${valid}/* */}`)],
  ['a trailing comma', json(`{${valid},}`)],
  ['NaN', json(`{${valid},"x":NaN}`)],
  ['an infinite exp', json(`{"sub":"${web}","aud":"me","exp":1e999}`)],
  ['a second object', json(`{${valid}}{}`)],
  ['a NUL behind', json(`{${valid}}\u0000`)],
  ['nothing', json('')],
  ['a string', json('"x"')],
  ['alg twice', head('{"alg":"none","alg":"ES256","kid":"ec"}')],
  ['alg twice, the other way', head('{"alg":"ES256","kid":"ec","alg":"none"}')],
  ['kid twice', head('{"alg":"ES256","kid":"x","kid":"ec"}')],
  ['__proto__ in the header', head('{"alg":"ES256","kid":"ec","__proto__":{"alg":"none"}}')],
  ['alg by way of __proto__', head('{"__proto__":{"alg":"ES256"},"kid":"ec"}')],
  ['sub of another case', json(`{"SUB":"${web}","aud":"me","exp":9999999999}`)],
  [
    'sub under constructor',
    json(`{"constructor":{"prototype":{"sub":"${web}"}},"aud":"me","exp":9999999999}`),
  ],
]

const sizeRows: readonly Row[] = [
  ['65,537 bytes', `${h}.${'A'.repeat(65_537 - h.length - s.length - 2)}.${s}`],
  ['3 MB of audience', json(JSON.stringify(claimsWith({ aud: ['me', 'a'.repeat(3_000_000)] })))],
  [
    'a million audiences',
    json(JSON.stringify(claimsWith({ aud: Array.from({ length: 1_000_000 }, () => 'me') }))),
  ],
  ['dots only', '.'.repeat(65_536)],
  ['a hundred parts', `${good}${'.AAAA'.repeat(97)}`],
]

const spellingRows: readonly Row[] = [
  ['nothing at all', ''],
  ['padding', `${h}.${p}.${s}==`],
  ['the alphabet of base64', `${h}.${p}.+/${s.slice(2)}`],
  ['a space inside', `${h}. ${p}.${s}`],
  ['a payload that is elsewhere', `${h}..${s}`],
  ['five parts', `${h}.${p}.${s}.${p}.${s}`],
  ['JSON in the flattened form', JSON.stringify({ protected: h, payload: p, signature: s })],
  [
    'JSON in the general form',
    JSON.stringify({ payload: p, signatures: [{ protected: h, signature: s }] }),
  ],
  ['the payload of another token', `${h}.${encode({ ...claims, sub: `${web}/admin` })}.${s}`],
  ['the header of another token', `${encode({ alg: 'ES256', kid: 'ec' })}.${p}.${s}`],
]

/** Tokens that nobody may take. */
export const corpus: readonly Row[] = [
  ...algorithmRows,
  ...keyIdRows,
  ...headerRows,
  ...signatureRows,
  ...jsonRows,
  ...sizeRows,
  ...spellingRows,
]

/** Tokens with this word in the key ID, in JSON that is none, in a member's name and in a claim. */
export function tokensWith(word: string): readonly string[] {
  return [
    forge({ ...header, kid: word }, claims, ec.privateKey, 'ES256'),
    json(`{"x":"${word}"`),
    json(`{${valid},"${word}":1,"${word}":2}`),
    json(JSON.stringify({ ...claims, sub: word })),
  ]
}
