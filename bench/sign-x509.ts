// BatchNewX509SVID by an agent over TLS, 500 a batch, each CSR with a key of its own, two batches at a
// time. The bare program: the same message over grpc-js and TLS, each CSR's signature verified, a
// prepared certificate body signed, one durable append a batch.
import type { ClientHttp2Session } from 'node:http2'
import { serviceDefinition } from '../src/rpc/services.ts'
import { createCsr } from '../src/x509/csr.ts'
import { generateKeyPair, softwareSigner } from '../src/x509/key.ts'
import { frame, unaryCall } from './support/h2.ts'
import { closedLoop, compare, type Load } from './support/load.ts'
import { report } from './support/report.ts'
import { openSigningPair } from './support/signing.ts'

const batch = 500

const { BatchNewX509SVID } = serviceDefinition('spire.api.server.svid.v1.SVID')
const pair = await openSigningPair()
const ids = await pair.server.createEntries(pair.agent.id, batch)
const params = await Promise.all(
  ids.map(async (entry_id) => {
    const { privateKey } = await generateKeyPair('ec-p256')
    return { entry_id, csr: await createCsr(softwareSigner(privateKey)) }
  }),
)
const request = frame(BatchNewX509SVID.requestSerialize({ params }))
// Not before there is something to call: a connection without a call is cut after ten seconds.
const { ours, theirs } = await pair.dial(2)
const call = (session: ClientHttp2Session): Promise<Buffer> =>
  unaryCall(session, BatchNewX509SVID.path, request)

for (const answer of await Promise.all(ours.map(call))) {
  const { results } = BatchNewX509SVID.responseDeserialize(answer)
  if (results.some(({ status }) => status?.code !== 0)) throw new Error('not all were signed')
}

const load = (sessions: readonly ClientHttp2Session[], pid: number): Promise<Load> =>
  closedLoop(
    sessions.map((session) => () => call(session)),
    { pid, perCall: batch },
  )
report('sign-x509', {
  BatchNewX509SVID: await compare(
    {
      ours: () => load(ours, pair.server.child.pid),
      bare: () => load(theirs, pair.bare.pid),
    },
    0.8,
    '7,500/s',
    { batch },
  ),
})
await pair.close()
