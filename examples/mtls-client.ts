// Reads the greeting of the server at this port, which has to be the one workload that is meant.
//
//   node examples/mtls-client.ts PORT SERVER_ID
import { matchId, SpiffeId, X509Source } from 'countersign'
import { connect } from 'countersign/tls'

const [port, serverId = ''] = process.argv.slice(2)
const source = await X509Source.open()
const { socket, peer } = await connect({
  source,
  authorize: matchId(SpiffeId.parse(serverId)),
  host: '127.0.0.1',
  port: Number(port),
})
let text = ''
for await (const chunk of socket) text += chunk
console.log(`${peer.spiffeId} says: ${text.trim()}`)
await source.close()
