// What signing over TLS cannot be had without: grpc-js over TLS 1.3, one proof of possession and one
// signature a certificate, one signature a token, one durable append a group. No authorisation, no
// template, no lint, no chain of records. Argument: none.
import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Server, ServerCredentials, type sendUnaryData } from '@grpc/grpc-js'
import { serviceDefinition } from '../src/rpc/services.ts'
import { TrustDomain } from '../src/spiffe-id/spiffe-id.ts'
import { issueRootCa } from '../src/x509/issue.ts'
import { softwareSigner } from '../src/x509/key.ts'
import { toPem } from '../src/x509/pem.ts'
import { ownFolder, say } from './support/child.ts'

const signAsync = promisify(sign) as (hash: string, data: Buffer, key: object) => Promise<Buffer>
const verifyAsync = promisify(verify)
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const now = Date.now()
const certificate = await issueRootCa({
  trustDomain: TrustDomain.parse('example.org'),
  signer: softwareSigner(privateKey),
  notBefore: new Date(now - 60_000),
  notAfter: new Date(now + 86_400_000),
})

const file = await open(join(ownFolder(), 'log'), 'a')
const line = Buffer.alloc(400, 'x')
let waiting: { readonly bytes: Buffer; readonly resolve: () => void }[] = []
let writing = false

/** One write and one sync for all that wait. */
function append(lines: number): Promise<void> {
  return new Promise((resolve) => {
    waiting.push({ bytes: Buffer.concat(Array.from({ length: lines }, () => line)), resolve })
    if (!writing) flush().catch(fail)
  })
}

async function flush(): Promise<void> {
  writing = true
  while (waiting.length > 0) {
    const group = waiting
    waiting = []
    await file.write(Buffer.concat(group.map(({ bytes }) => bytes)))
    await file.datasync()
    for (const { resolve } of group) resolve()
  }
  writing = false
}

function fail(error: unknown): never {
  process.stderr.write(`${String(error)}\n`)
  process.exit(1)
}

/** Definite lengths below 64 KiB: where the body of the element at `at` begins and ends. */
function elementAt(der: Buffer, at: number): { readonly body: number; readonly end: number } {
  const first = der[at + 1] ?? 0
  const size = first < 128 ? 0 : first & 0x7f
  const length = size === 0 ? first : der.readUIntBE(at + 2, size)
  const body = at + 2 + size
  return { body, end: body + length }
}

const tbs = Buffer.alloc(420, 1)

async function signOne(csr: Buffer): Promise<Buffer> {
  const outer = elementAt(csr, 0)
  const info = elementAt(csr, outer.body)
  const version = elementAt(csr, info.body)
  const subject = elementAt(csr, version.end)
  const spki = elementAt(csr, subject.end)
  const signature = elementAt(csr, elementAt(csr, info.end).end)
  const key = createPublicKey({
    key: csr.subarray(subject.end, spki.end),
    format: 'der',
    type: 'spki',
  })
  const held = await verifyAsync(
    'sha256',
    csr.subarray(outer.body, info.end),
    key,
    csr.subarray(signature.body + 1, signature.end),
  )
  if (!held) throw new Error('bad signature')
  return Buffer.concat([tbs, await signAsync('sha256', tbs, privateKey)])
}

interface Call<R> {
  readonly request: R
}

const server = new Server({ 'grpc.enable_channelz': 0 })
server.addService(serviceDefinition('spire.api.server.svid.v1.SVID') as never, {
  BatchNewX509SVID(
    { request }: Call<{ readonly params: readonly { readonly csr: Buffer }[] }>,
    answer: sendUnaryData<object>,
  ) {
    Promise.all(request.params.map(({ csr }) => signOne(csr)))
      .then(async (signed) => {
        await append(signed.length)
        const results = signed.map((der) => ({ status: { code: 0 }, svid: { cert_chain: [der] } }))
        answer(null, { results })
      })
      .catch(fail)
  },
  NewJWTSVID(
    { request }: Call<{ readonly audience: readonly string[] }>,
    answer: sendUnaryData<object>,
  ) {
    const claims = { sub: 'spiffe://example.org/bench/1-1', aud: request.audience, exp: 1, iat: 1 }
    const input = `${base64url('{"alg":"ES256","kid":"0123456789","typ":"JWT"}')}.${base64url(JSON.stringify(claims))}`
    signAsync('sha256', Buffer.from(input), privateKey)
      .then(async (signature) => {
        await append(1)
        answer(null, { svid: { token: `${input}.${signature.toString('base64url')}` } })
      })
      .catch(fail)
  },
})

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url')
}

const credentials = ServerCredentials.createSsl(
  null,
  [
    {
      cert_chain: Buffer.from(toPem('CERTIFICATE', certificate)),
      private_key: Buffer.from(
        toPem('PRIVATE KEY', privateKey.export({ format: 'der', type: 'pkcs8' })),
      ),
    },
  ],
  false,
)
server.bindAsync('127.0.0.1:0', credentials, (error, port) => {
  if (error !== null) fail(error)
  say({ address: `127.0.0.1:${port}` })
})
