// Calls the server at this port, which has to be the one workload that is meant.
//
//   node examples/grpc-client.ts PORT SERVER_ID
import { makeGenericClientConstructor } from '@grpc/grpc-js'
import { matchId, SpiffeId, X509Source } from 'countersign'
import { createChannelCredentials } from 'countersign/grpc'
import { greeter } from './grpc-greeter.ts'

const [port, serverId = ''] = process.argv.slice(2)
const source = await X509Source.open()
const credentials = createChannelCredentials({
  source,
  authorize: matchId(SpiffeId.parse(serverId)),
})
const Greeter = makeGenericClientConstructor(greeter, 'Greeter')
const client = new Greeter(`127.0.0.1:${port}`, credentials)
client['hello']?.('good morning', async (error: Error | null, text?: string) => {
  console.log(error?.message ?? text)
  client.close()
  await source.close()
})
