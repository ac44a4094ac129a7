// A token for a service, and what the service does with it: it verifies by the bundles, without a call.
import { JwtSource, verifyJwtSvid } from 'countersign'

const audience = 'https://api.example.org'
const source = await JwtSource.open()
const { token } = await source.fetchJwtSvid(audience)
const { spiffeId, expiresAt } = await verifyJwtSvid(token, { audience, bundles: source })
console.log(spiffeId, 'until', expiresAt.toISOString())
await source.close()
