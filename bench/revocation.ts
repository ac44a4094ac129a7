// How soon what was revoked is refused, from before the client asks until each reader of the feed says no: with one
// reader, and with a thousand. And what it costs a service to ask about each token, with 100,000 facts.
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { decodeJwt } from 'jose'
import type { Fact } from '../src/revocation/fact.ts'
import { RevocationState } from '../src/revocation/state.ts'
import { freePort } from '../test/support/free-port.ts'
import { issuer, orders } from '../test/support/oauth.ts'
import { startChild } from './support/child.ts'
import { NotNow, patiently } from './support/load.ts'
import { bounded, median, report, round, short } from './support/report.ts'

interface Identity {
  readonly id: string
  readonly cert: string
  readonly key: string
}

const port = await freePort()
const server = await startChild<{
  readonly ca: string
  readonly web: Identity
  readonly orders: Identity
}>('child-oauth.ts', { port })
const { ca, web, orders: reader } = server.ready
const agent = new Agent({ keepAlive: true, ca: readFileSync(ca), cert: web.cert, key: web.key })

const call = (path: string, values?: Readonly<Record<string, string>>): Promise<string> =>
  patiently(() => callOnce(path, values))

function callOnce(path: string, values?: Readonly<Record<string, string>>): Promise<string> {
  return new Promise((resolve, reject) => {
    const form = values && new URLSearchParams({ client_id: web.id, ...values }).toString()
    const sent = request(
      `https://localhost:${port}${path}`,
      {
        agent,
        method: form === undefined ? 'GET' : 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      },
      (response) => {
        let text = ''
        response.on('data', (chunk) => {
          text += String(chunk)
        })
        response.once('end', () => {
          if (response.statusCode === 200) resolve(text)
          else if (response.statusCode === 503) reject(new NotNow(text))
          else reject(new Error(`status ${response.statusCode}: ${text}`))
        })
      },
    )
    sent.once('error', reject)
    sent.end(form)
  })
}

async function newToken(): Promise<string> {
  const wish = { grant_type: 'client_credentials', resource: orders, scope: 'orders:read' }
  const { access_token } = JSON.parse(await call('/oauth/token', wish)) as { access_token: string }
  return access_token
}

/** From before the request until the refusal at each reader, ms. */
async function untilRefused(count: number, rounds: number) {
  const readers = await startChild<{ readonly readers: number }>('child-readers.ts', {
    ...{ issuer, ca, count, reader },
    url: `https://localhost:${port}/oauth/feed`,
    keys: await call('/oauth/feed-keys'),
  })
  const latencies: number[] = []
  let cut = 0
  for (let at = 0; at < rounds; at += 1) {
    const token = await newToken()
    const told = readers.ask(String(decodeJwt(token)['txn']))
    const startMs = performance.timeOrigin + performance.now()
    await call('/oauth/revoke', { token })
    const answer = (await told) as { readonly times: readonly number[]; readonly cut: number }
    latencies.push(...answer.times.map((time) => time - startMs))
    cut = answer.cut
  }
  await readers.kill('SIGKILL')
  latencies.sort((a, b) => a - b)
  const at = (part: number): number =>
    round(latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))] ?? NaN)
  return { p50: at(0.5), p99: at(0.99), max: at(1), revocations: rounds, readers: count, cut }
}

/** One verdict on a token that lives, of a typical kind, ns. */
function judging(): number {
  const kinds = ['token', 'transaction', 'spiffe-id', 'entry', 'owner', 'audience'] as const
  const state = new RevocationState()
  for (let at = 0; at < 100_000; at += 1) {
    const kind = kinds[at % kinds.length] ?? 'token'
    const fact: Fact = { kind, id: `${kind}-${at}`, notBefore: 1000, endsAt: 4e9 }
    state.apply(fact)
  }
  const claims = {
    ...{ iss: issuer, sub: web.id, client_id: web.id, aud: orders, iat: 2000, jti: 'j', txn: 't' },
    ...{ entry_id: 'e', owner: 'team', act: { sub: `${web.id}/a`, act: { sub: `${web.id}/b` } } },
  }
  const count = short ? 200_000 : 2_000_000
  const rounds = Array.from({ length: 5 }, () => {
    const startMs = performance.now()
    let dead = 0
    for (let at = 0; at < count; at += 1) if (state.judge(claims, 'k') !== undefined) dead += 1
    if (dead > 0) throw new Error('a token that lives was judged dead')
    return ((performance.now() - startMs) * 1e6) / count
  })
  return median(rounds)
}

const one = await untilRefused(1, short ? 30 : 500)
const many = await untilRefused(short ? 100 : 1000, short ? 5 : 60)
report('revocation', {
  judge: bounded(judging() / 1000, 1, 'us', { facts: 100_000 }),
  refusedAtOne: bounded(one.p99, 20, 'ms p99', one),
  refusedAtThousand: bounded(many.p99, 1000, 'ms p99', many),
})
await server.kill()
process.exit()
