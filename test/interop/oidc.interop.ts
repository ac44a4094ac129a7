import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type WebCertificate, webCertificate } from '../support/web-certificate.ts'
import { buildGo } from './languages.ts'
import { type Fetched, runProbe } from './probe.ts'
import { idOf, openStand, saidIn } from './stand.ts'

const { go } = inject('probes')
const issuer = 'https://oidc.interop.test/issuer'
const audience = 'relying-party'
let web: WebCertificate
let relyingParty: string

beforeAll(async () => {
  if (go === undefined) return
  web = await webCertificate('oidc.interop.test')
  relyingParty = await buildGo('oidc')
})

afterAll(() => {
  if (go !== undefined) rmSync(web.folder, { recursive: true, force: true })
})

interface Verified {
  readonly subject?: string
  readonly refused?: string
}

function verify(address: string, tokens: readonly string[]): Promise<readonly Verified[]> {
  const args = [issuer, address, web.ca, audience]
  return new Promise((resolve, reject) => {
    const child = execFile(relyingParty, args, { timeout: 120_000 }, (error, stdout, stderr) => {
      if (error !== null) reject(new Error(stderr, { cause: error }))
      else
        resolve(
          stdout
            .trimEnd()
            .split('\n')
            .map((line) => JSON.parse(line) as Verified),
        )
    })
    child.stdin?.end(`${tokens.join('\n')}\n`)
  })
}

const settings = [
  { with: 'an ES256 key', ca: 'jwt_key_type: ec-p256' },
  { with: 'an RSA key', ca: 'jwt_key_type: rsa-2048' },
  { with: 'an RS256 key beside it', ca: `jwt_rs256_audiences: ['${audience}']` },
]

describe.for(settings)('with $with', ({ ca }) => {
  test.skipIf(go === undefined)(
    'go-oidc discovers the issuer, takes a JWT-SVID, and none for another audience or changed',
    async () => {
      if (go === undefined) return
      const stand = await openStand({
        server: [
          `jwt_issuer: ${issuer}`,
          'oidc:',
          '  address: 127.0.0.1:0',
          `  certificate: ${web.certificate}`,
          `  key: ${web.key}`,
          'ca:',
          `  ${ca}`,
        ],
      })
      try {
        await stand.register([go])
        const fetchFor = async (name: string): Promise<string> =>
          (await runProbe<Fetched>(go, stand.socket, 'fetch', [name]))[0]?.token ?? ''
        const token = await fetchFor(audience)
        const tokens = [token, await fetchFor('somebody-else'), `${token.slice(0, -8)}AAAAAAAA`]
        const { address } = saidIn(stand.log(), 'documents are served') ?? {}
        expect(await verify(String(address), tokens)).toEqual([
          { subject: idOf('go') },
          { refused: expect.any(String) },
          { refused: expect.any(String) },
        ])
      } finally {
        await stand.close()
      }
    },
  )
})
