// Who this process is, and when that ends; again at each renewal, until Ctrl-C.
import { WorkloadApiClient } from 'countersign'

const client = new WorkloadApiClient()
for await (const { svids } of client.watchX509Context()) {
  for (const svid of svids) console.log(svid.spiffeId, 'until', svid.expiresAt.toISOString())
}
