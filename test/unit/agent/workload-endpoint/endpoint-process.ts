// An endpoint in a process of its own, so that it can have a limit of its own on descriptors. The
// argument is the socket's path. Everyone may have an identity. One JSON line of stats a request,
// after a collection where it runs with --expose-gc.
import { readdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { unixAttestor } from '../../../../agent/workload-attestation/unix.ts'
import { openWorkloadEndpoint } from '../../../../agent/workload-endpoint/endpoint.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { entryOf, HandUpdates, signing, trustDomain } from './identities.ts'

const home = signing(trustDomain)
const updates = new HandUpdates(home.bundle)
updates.set([entryOf('/root', ['unix:uid:0']), entryOf('/user', ['unix:uid:20001'])])
const endpoint = await openWorkloadEndpoint(process.argv[2] ?? '', {
  updates,
  jwt: { fetch: () => Promise.reject(new Error('unused')) },
  bundles: { bundleOf: () => home.bundle },
  trustDomain,
  unavailable: () => undefined,
  attestors: [unixAttestor()],
  clock: systemClock,
  log: silentLog,
})
process.stdout.write('{}\n')
createInterface({ input: process.stdin }).on('line', () => {
  globalThis.gc?.()
  const held = {
    descriptors: readdirSync('/proc/self/fd').length,
    timers: process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length,
    heapMiB: process.memoryUsage().heapUsed / (1 << 20),
  }
  process.stdout.write(`${JSON.stringify({ ...endpoint.stats(), ...held })}\n`)
})
