// What a call to a vendor costs more through the broker than without: TLS on both sides, the token checked, the policy
// asked, the record on disk before the call leaves, the key taken out of the answer. Vendor, broker and caller have a
// process each; connections are kept. One call at a time for the time that is added, then several for the rate. Last:
// how long after a revocation of the integration its first call is refused.
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { startChild } from './support/child.ts'
import { closedLoop, compare, type Load, NotNow, patiently } from './support/load.ts'
import { bounded, median, report, round, short } from './support/report.ts'

interface BrokerReady {
  readonly port: number
  readonly host: string
  readonly token: string
  readonly cert: string
  readonly key: string
  readonly ca: string
}

const atATime = 16
const rounds = short ? 1 : 3
const vendor = await startChild<{ readonly port: number; readonly ca: string }>('child-vendor.ts')
const broker = await startChild<BrokerReady>('child-broker.ts', vendor.ready)
const { host, port, token, cert, key, ca } = broker.ready

function caller(options: {
  readonly port: number
  readonly ca: string
  readonly host: string
  readonly path: string
  readonly cert?: string
  readonly key?: string
  readonly headers?: Readonly<Record<string, string>>
}): () => Promise<void> {
  const { path, headers = {} } = options
  const servername = options.host.split(':')[0] ?? ''
  const tls = { ca: options.ca, cert: options.cert, key: options.key, servername }
  const agent = new Agent({ keepAlive: true, ...tls })
  const once = () =>
    new Promise<void>((resolve, reject) => {
      const sent = request(
        {
          host: '127.0.0.1',
          port: options.port,
          path,
          agent,
          headers: { host: options.host, ...headers },
        },
        (response) => {
          // Its feed is older than it may be: it has stood still.
          if (response.statusCode === 503) reject(new NotNow())
          else if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`))
          response.resume()
          response.once('end', resolve)
        },
      )
      sent.once('error', reject)
      sent.end()
    })
  return () => patiently(once)
}

const vendorHost = `api.acme.test:${vendor.ready.port}`
const direct = caller({
  ...{ port: vendor.ready.port, host: vendorHost, path: '/v2/contacts' },
  ca: readFileSync(vendor.ready.ca, 'utf8'),
})
const through = { port, host, ca, path: '/acme/v2/contacts' }
const byToken = caller({ ...through, cert, key, headers: { authorization: `Bearer ${token}` } })

const load = (call: () => Promise<void>, clients: number, pid: number): Promise<Load> =>
  closedLoop(
    Array.from({ length: clients }, () => call),
    { pid },
  )

/** One call at a time, in turn: the time that the broker adds. */
async function added(call: () => Promise<void>) {
  const pairs: { readonly ours: Load; readonly bare: Load }[] = []
  for (let at = 0; at <= rounds; at++) {
    const pair = {
      ours: await load(call, 1, broker.pid),
      bare: await load(direct, 1, vendor.pid),
    }
    // The first is the compiler's.
    if (at > 0 || short) pairs.push(pair)
  }
  const ours = median(pairs.map((pair) => pair.ours.p50Ms))
  const bare = median(pairs.map((pair) => pair.bare.p50Ms))
  return bounded(median(pairs.map((pair) => pair.ours.p50Ms - pair.bare.p50Ms)), 5, 'ms', {
    ...{ through: ours, direct: bare, ratio: round(ours / bare) },
    p99Ms: median(pairs.map((pair) => pair.ours.p99Ms)),
  })
}

const rate = () =>
  compare(
    {
      ours: () => load(byToken, atATime, broker.pid),
      bare: () => load(direct, atATime, vendor.pid),
    },
    0.05,
    'as fast as the vendor',
  )

async function shut() {
  const took: number[] = []
  for (let at = 0; at < (short ? 3 : 20); at++) {
    took.push(((await broker.ask('shut')) as { readonly ms: number }).ms)
  }
  return bounded(median(took), 20, 'ms', { worst: round(Math.max(...took)) })
}

report('broker', {
  added: await added(byToken),
  rate: await rate(),
  revokedToRefused: await shut(),
})
await broker.kill()
await vendor.kill()
process.exit()
