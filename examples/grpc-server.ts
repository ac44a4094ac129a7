// Greets whoever has an SVID of its own trust domain, by name, over gRPC.
import { Server, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js'
import { matchTrustDomain, SpiffeId, X509Source } from 'countersign'
import { peerOf, serveMtls } from 'countersign/grpc'
import { greeter } from './grpc-greeter.ts'

const source = await X509Source.open()
const server = new Server()
server.addService(greeter, {
  hello: (call: ServerUnaryCall<string, string>, answer: sendUnaryData<string>) =>
    answer(null, `hello ${peerOf(call).spiffeId}, you said ${call.request}`),
})
const { address } = await serveMtls(server, {
  source,
  authorize: matchTrustDomain(SpiffeId.trustDomainOf(source.svid().spiffeId)),
  host: '127.0.0.1',
  port: 0,
})
console.log(address)
