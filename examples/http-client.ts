// Asks the server at this port, which has to be the one workload that is meant; with node:https alone.
//
//   node examples/http-client.ts PORT SERVER_ID
import { get } from 'node:https'
import { matchId, SpiffeId, X509Source } from 'countersign'
import { Agent } from 'countersign/http'

const [port, serverId = ''] = process.argv.slice(2)
const source = await X509Source.open()
const agent = new Agent({ source, authorize: matchId(SpiffeId.parse(serverId)) })
get(`https://127.0.0.1:${port}/orders`, { agent }, async (response) => {
  let text = ''
  for await (const chunk of response) text += chunk
  console.log(response.statusCode, text)
  agent.destroy()
  await source.close()
})
