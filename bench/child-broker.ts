// A broker in a process of its own, its trail on disk. Argument: { port, ca } of the vendor.
import { enableCompileCache } from 'node:module'
import { argument, say } from './support/child.ts'

enableCompileCache()
const { caller, startBroker } = await import('../test/support/running-broker.ts')
const { SpiffeId } = await import('../src/spiffe-id/spiffe-id.ts')
const { toPem } = await import('../src/x509/pem.ts')

const vendor = argument<{ readonly port: number; readonly ca: string }>()
const broker = await startBroker({
  acme: {
    upstream: `https://api.acme.test:${vendor.port}`,
    ca: vendor.ca,
    svid_alone: true,
    rate: '9999999/s',
    rate_all: '9999999/s',
  },
})
const svid = await broker.api.trustDomain.issueX509(SpiffeId.parse(caller))
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
process.once('SIGTERM', () => void broker.stop().then(() => process.exit()))
