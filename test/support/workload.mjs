// A workload of its own process and uid: a plain gRPC client, nothing of ours in it.
//   node workload.mjs SOCKET x509          each FetchX509SVID message as a line of JSON, until killed
//   node workload.mjs SOCKET jwt AUDIENCE  one FetchJWTSVID answer
import { fileURLToPath } from 'node:url'
import { Client, credentials, Metadata } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

const [socket, what, audience] = process.argv.slice(2)
const proto = fileURLToPath(new URL('../../proto/spiffe/workload.proto', import.meta.url))
const service = loadSync(proto, {
  keepCase: true,
  bytes: Buffer,
  defaults: true,
  includeDirs: [fileURLToPath(new URL('../../proto', import.meta.url))],
}).SpiffeWorkloadAPI
const client = new Client(`unix://${socket}`, credentials.createInsecure())
const metadata = new Metadata()
metadata.set('workload.spiffe.io', 'true')

function say(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

function fail(error) {
  say({ code: error.code, details: error.details })
  process.exitCode = 1
}

if (what === 'jwt') {
  const { path, requestSerialize, responseDeserialize } = service.FetchJWTSVID
  client.makeUnaryRequest(
    path,
    requestSerialize,
    responseDeserialize,
    { audience: [audience] },
    metadata,
    (error, response) => {
      if (error) fail(error)
      else say({ svids: response.svids.map((svid) => [svid.spiffe_id, svid.svid]) })
      client.close()
    },
  )
} else {
  const { path, requestSerialize, responseDeserialize } = service.FetchX509SVID
  const stream = client.makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    {},
    metadata,
  )
  stream.on('data', ({ svids }) =>
    say({
      svids: svids.map((svid) => ({
        id: svid.spiffe_id,
        chain: svid.x509_svid.toString('base64'),
        key: svid.x509_svid_key.toString('base64'),
        bundle: svid.bundle.toString('base64'),
      })),
    }),
  )
  stream.on('error', (error) => {
    fail(error)
    client.close()
  })
  stream.on('end', () => client.close())
}
