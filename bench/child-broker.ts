// A broker in a process of its own, its trail on disk, with an issuer whose feed it follows. Argument: { port, ca } of
// the vendor. A line is answered with the milliseconds from a revocation of the integration to a refused call.
import { enableCompileCache } from 'node:module'
import { argument, onLine, say } from './support/child.ts'

enableCompileCache()
const { caller, startBroker } = await import('../test/support/running-broker.ts')
const { SpiffeId } = await import('../src/spiffe-id/spiffe-id.ts')
const { eventually } = await import('../src/testing/eventually.ts')
const { toPem } = await import('../src/x509/pem.ts')

const vendor = argument<{ readonly port: number; readonly ca: string }>()
const acme = {
  upstream: `https://api.acme.test:${vendor.port}`,
  ca: vendor.ca,
  svid_alone: true,
  rate: '9999999/s',
  rate_all: '9999999/s',
}
/** Only what hangs exceeds it. */
const patienceMs = 120_000
const broker = await startBroker({ feed: true, acme })
const svid = await broker.api.trustDomain.issueX509(SpiffeId.parse(caller))
const serves = async (): Promise<boolean> => (await broker.call({ svid })).status === 200
await eventually(serves, patienceMs)
say({
  port: broker.port,
  host: broker.host,
  token: await broker.token({ exp: Math.floor(Date.now() / 1000) + 3600 }),
  cert: svid.chain.map((der) => toPem('CERTIFICATE', der)).join(''),
  key: toPem('PRIVATE KEY', svid.privateKey),
  ca: broker.api.trustDomain.bundle.x509Authorities
    .map(({ certificate }) => toPem('CERTIFICATE', certificate))
    .join(''),
})

let second = 0
async function shut(): Promise<void> {
  second = Math.max(second, Math.floor(Date.now() / 1000)) + 2
  const startedMs = performance.now()
  broker.issuer.revoke({ kind: 'integration', id: 'acme', notBefore: second })
  await eventually(async () => !(await serves()), patienceMs)
  say({ ms: performance.now() - startedMs })
  const reopened = new Date((second + 1) * 1000).toISOString()
  await broker.reload({ acme: { ...acme, reopened } })
  await eventually(serves, patienceMs)
}
let shutting = Promise.resolve()
onLine(() => {
  // The last of them is cut short by the end of this process.
  shutting = shutting.then(shut).catch(() => {})
})
process.once('SIGTERM', () => void broker.stop().then(() => process.exit()))
