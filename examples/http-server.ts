// Answers whoever has an SVID of its own trust domain, by name.
import { matchTrustDomain, SpiffeId, X509Source } from 'countersign'
import { createServer, peerOf } from 'countersign/http'

const source = await X509Source.open()
const authorize = matchTrustDomain(SpiffeId.trustDomainOf(source.svid().spiffeId))
const server = createServer({ source, authorize }, (request, response) => {
  response.end(`${peerOf(request).spiffeId} asks for ${request.url}`)
})
server.listen(0, '127.0.0.1', () => console.log(server.address()))
