// Greets whoever has an SVID of its own trust domain, by name.
import { matchTrustDomain, SpiffeId, X509Source } from 'countersign'
import { createServer } from 'countersign/tls'

const source = await X509Source.open()
const authorize = matchTrustDomain(SpiffeId.trustDomainOf(source.svid().spiffeId))
const server = createServer({ source, authorize }, (socket, peer) =>
  socket.end(`hello ${peer.spiffeId}\n`),
)
server.listen(0, '127.0.0.1', () => console.log(server.address()))
