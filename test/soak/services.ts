// The contract of test/soak/fleet.ts, kept with our own src/workload-api and src/mtls.
import { createInterface } from 'node:readline'
import type { IdentitySource } from '../../src/mtls/identity-source.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { X509Source } from '../../src/workload-api/x509-source.ts'
import { listenAs, meet, reasonOf } from './party.ts'

function say(line: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

async function dial(
  source: IdentitySource,
  n: number,
  address: string,
  expected: string,
): Promise<void> {
  try {
    say({ n, ...(await meet(source, address, expected)) })
  } catch (error) {
    say({ n, error: reasonOf(error) })
  }
}

await using source = await X509Source.open({ signal: AbortSignal.timeout(60_000) })
const services = new Map<string, IdentitySource>()
for (const id of process.argv.slice(2)) {
  const spiffeId = SpiffeId.parse(id)
  const own: IdentitySource = {
    svid: () => source.svid({ spiffeId }),
    bundleOf: (trustDomain) => source.bundleOf(trustDomain),
    onUpdate: (listener) => source.onUpdate(listener),
  }
  services.set(id, own)
  const listener = await listenAs(own, (refused) => say({ refused }))
  say({ service: id, listening: `127.0.0.1:${listener.address.port}` })
}
for await (const line of createInterface({ input: process.stdin })) {
  const [n = '', from = '', address = '', expected = ''] = line.split(' ')
  const own = services.get(from)
  if (own !== undefined) void dial(own, Number(n), address, expected)
}
process.exit(0)
