// An endpoint in a process of its own, so that it can have a limit of its own on descriptors, or numbers of
// its own for processes. The arguments are the socket's path and entries, `/path=selector`; without them
// root and one user have one. One JSON line of stats a request, after a collection where it runs with
// --expose-gc.
import { readdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { WorkloadAttestor } from '../../../../agent/workload-attestation/attestor.ts'
import { fileHashes } from '../../../../agent/workload-attestation/file-hash.ts'
import { unixAttestor } from '../../../../agent/workload-attestation/unix.ts'
import { unixExecutableAttestor } from '../../../../agent/workload-attestation/unix-executable.ts'
import { openWorkloadEndpoint } from '../../../../agent/workload-endpoint/endpoint.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { entryOf, HandUpdates, signing, trustDomain } from './identities.ts'

const home = signing(trustDomain)
const updates = new HandUpdates(home.bundle)
const [path = '', ...given] = process.argv.slice(2)
const entries = given.length > 0 ? given : ['/root=unix:uid:0', '/user=unix:uid:20001']
updates.set(
  entries.map((entry) => {
    const [id = '', selector = ''] = entry.split('=')
    return entryOf(id, [selector])
  }),
)
const hashes = fileHashes()
let asking = 0
/** Counts the callers whose program is looked at in this moment. */
function counted(attestor: WorkloadAttestor): WorkloadAttestor {
  return {
    type: attestor.type,
    async attest(...about) {
      asking += 1
      try {
        return await attestor.attest(...about)
      } finally {
        asking -= 1
      }
    },
  }
}
const endpoint = await openWorkloadEndpoint(path, {
  updates,
  jwt: { fetch: () => Promise.reject(new Error('unused')) },
  bundles: { bundleOf: () => home.bundle },
  trustDomain,
  unavailable: () => undefined,
  attestors: [
    unixAttestor(),
    ...(given.length > 0 ? [counted(unixExecutableAttestor({ hashes }))] : []),
  ],
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
    asking,
    reads: hashes.reads,
  }
  process.stdout.write(`${JSON.stringify({ ...endpoint.stats(), ...held })}\n`)
})
