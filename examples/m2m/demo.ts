// Three services and a vendor on one machine. None of the services holds a secret; the vendor knows for whom it is paid
// over two hops; and when the team of the middle service is off-boarded, everything behind it refuses what it holds.
//
//   npm run demo:m2m
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePorts, placeIn } from './ports.ts'
import { type Actor, type Line, Stage } from './stage.ts'

const placed = await freePorts()
const issuer = placed('https://localhost:18443')
const broker = placed('https://localhost:18444/acme-pay')
const orders = { resource: 'https://orders.example.org', scope: 'order' }
const billing = { resource: 'https://billing.example.org', scope: 'charge' }
const vendor = { resource: broker, scope: 'pay', url: `${broker}/charge` }
interface Hop {
  readonly resource: string
  readonly scope: string
}

const id = (name: string): string => `spiffe://example.org/${name}`

const stage = new Stage()
try {
  prepare()
  await attest()
  const services = await startServices()
  await order(services)
  await switchOff(services)
} finally {
  await stage.clear()
}

interface Services {
  readonly storefront: Actor
  readonly orders: Actor
  readonly billing: Actor
}

/** Configuration and policies beside this file, a web certificate for `localhost`, and the vendor's key. */
function prepare(): void {
  cpSync(fileURLToPath(new URL('.', import.meta.url)), stage.folder, { recursive: true })
  placeIn(stage.folder, placed)
  stage.say(`# in ${stage.folder}: server.yaml, agent.yaml, broker.yaml and the policies\n`)
  const args =
    '-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost'
  execFileSync(
    'openssl',
    [
      'req',
      ...args.split(' '),
      '-addext',
      'subjectAltName=DNS:localhost',
      '-keyout',
      'web.key',
      '-out',
      'web.pem',
    ],
    { cwd: stage.folder, stdio: 'ignore' },
  )
  writeFileSync(stage.path('acme.key'), randomBytes(24).toString('hex'), { mode: 0o600 })
}

/** Server and agent, and an entry for each workload: who it is, whose, and what for. */
async function attest(): Promise<void> {
  await stage.daemon(
    'server',
    'access tokens are issued',
    'server',
    'run',
    '--config',
    'server.yaml',
  )
  const { token } = JSON.parse(await stage.countersign('token', 'create', '-o', 'json'))
  writeFileSync(stage.path('join-token'), token, { mode: 0o600 })
  await stage.daemon('agent', 'agent is ready', 'agent', 'run', '--config', 'agent.yaml')
  const [agent] = JSON.parse(await stage.countersign('agent', 'list', '-o', 'json'))
  for (const [name, owner, purpose] of [
    ['storefront', 'shop', 'sells'],
    ['orders', 'logistics', 'takes orders'],
    ['billing', 'finance', 'charges customers'],
    ['broker', 'platform', 'holds the keys of vendors'],
  ] as const) {
    await stage.countersign(
      ...['entry', 'create', '--spiffe-id', id(name), '--parent-id', agent.id],
      ...['--selector', `unix:path:${stage.executable(name)}`],
      ...['--owner', owner, '--purpose', purpose, '--wait'],
    )
  }
}

/** Each a process of its own, from the last to the first, since each is told where the next one is. */
async function startServices(): Promise<Services> {
  const files = ['web.pem', 'web.key', 'acme.key']
  const seller = stage.actor('vendor', 'vendor.ts', placed('18445'), ...files)
  await seller.hear('listening')
  await stage.daemon('broker', 'the broker is ready', 'broker', 'run', '--config', 'broker.yaml')
  const service = async (name: string, is: Hop, next: Hop & { readonly url: string }) => {
    const actor = stage.actor(name, 'service.ts', JSON.stringify({ issuer, ...is, next }))
    const { port } = await actor.hear('listening')
    return { actor, url: `https://localhost:${port}/` }
  }
  const last = await service('billing', billing, vendor)
  const middle = await service('orders', orders, { ...billing, url: last.url })
  const next = { ...orders, url: middle.url }
  const storefront = stage.actor('storefront', 'storefront.ts', JSON.stringify({ issuer, next }))
  await storefront.hear('ready')
  return { storefront, orders: middle.actor, billing: last.actor }
}

/** One order, over two hops and to the vendor. */
async function order({ storefront, orders, billing }: Services): Promise<void> {
  stage.say('\nThe storefront places an order:')
  const { status, body } = await paidAnswer(storefront)
  for (const [name, service] of Object.entries({ orders, billing })) {
    const { subject, actors } = await service.hear('served')
    stage.say(`  ${name} serves ${subject}${chain(actors)}`)
  }
  stage.say(`  the vendor answers ${status} ${body}`)
  for (const { audience, spiffeId, actors = [] } of await onRecord(
    'token.issued',
    'token.exchanged',
  )) {
    stage.say(`  a token for ${audience}: ${spiffeId}${chain(actors)}`)
  }
}

/** A machine that stood still for a moment knows of no revocations then, so that nobody is served: it is asked again. */
async function paidAnswer(storefront: Actor): Promise<Line> {
  for (let tries = 1; ; tries += 1) {
    const answer = await answerTo(storefront)
    if (answer['status'] === 200) return answer
    if (tries === 10) throw new Error(`the order was not paid: ${JSON.stringify(answer)}`)
    await sleep(1000)
  }
}

function answerTo(storefront: Actor): Promise<Line> {
  storefront.tell('order')
  return storefront.hear('answered')
}

function chain(actors: unknown): string {
  const names = actors as readonly string[]
  return names.length === 0 ? '' : `, for whom acts ${names.join(', for which acted ')}`
}

/** The middle service is revoked while what it, and what is behind it, holds of tokens is in use; then it goes for good. */
async function switchOff({ storefront, orders, billing }: Services): Promise<void> {
  stage.say('\nThe middle service is revoked while its tokens are in use:')
  const holders = { billing: orders, 'the broker': billing }
  for (const holder of Object.values(holders)) {
    holder.tell('hold')
    await holder.hear('holding')
  }
  await stage.countersign('revoke', 'spiffe-id', id('orders'), '--reason', 'demo')
  // The trail has it before anybody else hears of it.
  const [revocation] = await onRecord('revocation.written')
  const revokedMs = Date.parse(String(revocation?.['time']))
  for (const [name, holder] of Object.entries(holders)) {
    const { atMs, status, body } = await holder.hear('refused')
    const { reason } = JSON.parse(String(body))
    stage.say(`  ${name} refuses after ${Number(atMs) - revokedMs} ms: ${status} ${reason}`)
  }
  // What was revoked is what it held: its agent fetches it a new SVID, and by that it may pass orders on already.
  await orderAgain(storefront)
  stage.say('\nIts team is off-boarded:')
  stage.say(
    (await stage.countersign('offboard', '--owner', 'logistics', '--reason', 'demo')).trim(),
  )
  const sinceMs = performance.now()
  for (;;) {
    const begunMs = performance.now()
    if ((await orderAgain(storefront)) !== 200) return
    // Within a second everybody has heard of it, or knows that he hears nothing, and refuses.
    if (begunMs - sinceMs > 1000) {
      throw new Error('an order was paid through a service that is switched off')
    }
  }
}

async function orderAgain(storefront: Actor): Promise<unknown> {
  const { status, body } = await answerTo(storefront)
  stage.say(`  the storefront's next order: ${status === 0 ? 'no connection' : status}, ${body}`)
  return status
}

/** What the trail has of these kinds, oldest first. */
async function onRecord(...kinds: readonly string[]): Promise<readonly Line[]> {
  const wanted = kinds.flatMap((kind) => ['--kind', kind])
  const search = ['audit', 'search', 'server/audit.log', ...wanted, '-o', 'json']
  const lines = (await stage.countersign(...search)).trim().split('\n')
  return lines.map((line) => JSON.parse(line) as Line)
}
