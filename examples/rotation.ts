// A test of one's own program over a rotation, in milliseconds and without an agent.
import assert from 'node:assert/strict'
import { X509Source } from 'countersign'
import { FakeWorkloadApi, nextUpdate } from 'countersign/testing'

const api = await FakeWorkloadApi.start()
await api.grant('spiffe://example.org/web')
const source = await X509Source.open({ endpoint: api.endpoint })
const before = source.svid()

const updated = nextUpdate(source)
await api.rotate({ authorities: true })
await updated
assert.equal(source.svid().spiffeId, before.spiffeId)
assert.notDeepEqual(source.svid().chain, before.chain)
console.log('rotated', source.svid().spiffeId)
await source.close()
await api.close()
