// A real server and a real agent in one process of their own, for what is fuzzed through sockets. One JSON
// line when they are up, and one for each thing that they log as an error, which nothing from outside may
// cause. The end of stdin ends them.
import { rmSync } from 'node:fs'
import { type Log, silentLog } from '../../src/runtime/log.ts'
import { createCsr } from '../../src/x509/csr.ts'
import { generateKeyPair, softwareSigner } from '../../src/x509/key.ts'
import { agentIdOf, startAgent } from '../support/running-agent.ts'
import { startServer, wireEntry } from '../support/running-server.ts'
import { isOfTime, type StandLine } from './stand.ts'

const say = (line: StandLine): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
const log: Log = {
  ...silentLog,
  error(message, fields) {
    if (!isOfTime(message)) say({ failed: `${message}: ${String(fields?.['error'])}` })
  },
  child: () => log,
}

const server = await startServer({ log })
const agent = await startAgent(server, { log })
const entry = wireEntry({
  path: '/fuzz',
  parent: await agentIdOf(server),
  selectors: [`unix:uid:${process.getuid?.()}`],
})
await server
  .admin('spire.api.server.entry.v1.Entry')
  .unary('BatchCreateEntry', { entries: [entry] })
const identity = await server.joinAgent()
const { privateKey } = await generateKeyPair('ec-p256')
say({
  adminSocket: server.config.adminSocket,
  address: server.address,
  socket: agent.socket,
  agentId: identity.id,
  chain: identity.chain.map((der) => der.toString('base64')),
  privateKey: identity.privateKey.toString('base64'),
  csr: (await createCsr(softwareSigner(privateKey))).toString('base64'),
})
process.stdin.resume().on('close', async () => {
  await agent.stop()
  await server.stop()
  rmSync(server.folder, { recursive: true, force: true })
})
