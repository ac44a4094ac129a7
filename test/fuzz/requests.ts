import { type Client, Metadata, type ServiceError } from '@grpc/grpc-js'
import fc from 'fast-check'
import { CountersignError } from '../../src/errors.ts'
import { dialTls, dialUnix, type RpcChannel } from '../../src/rpc/dial.ts'
import type { ServiceName } from '../../src/rpc/services.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { withByteEdits } from './bytes.ts'
import { methodsOf } from './messages.ts'
import { openFuzzStand } from './stand.ts'
import type { Target } from './target.ts'

const serverServices: readonly ServiceName[] = [
  'spire.api.server.agent.v1.Agent',
  'spire.api.server.bundle.v1.Bundle',
  'spire.api.server.debug.v1.Debug',
  'spire.api.server.entry.v1.Entry',
  'spire.api.server.logger.v1.Logger',
  'spire.api.server.svid.v1.SVID',
  'spire.api.server.trustdomain.v1.TrustDomain',
  'countersign.clock.v1.Clock',
  'countersign.fleet.v1.Fleet',
  'countersign.oauth.v1.Grants',
  'countersign.revocation.v1.Revocation',
  'countersign.legacy.v1.Legacy',
  'countersign.policy.v1.Policies',
  'countersign.registry.v1.Registry',
  'countersign.sync.v1.Sync',
  'grpc.health.v1.Health',
]
// What an operator can do to the authorities is not for strangers: over TLS it has to be refused.
const tlsServices: readonly ServiceName[] = [
  ...serverServices,
  'spire.api.server.localauthority.v1.LocalAuthority',
  'countersign.oauth.v1.TokenAuthority',
]
const agentServices: readonly ServiceName[] = [
  'SpiffeWorkloadAPI',
  'envoy.service.secret.v3.SecretDiscoveryService',
  'grpc.reflection.v1.ServerReflection',
  'grpc.health.v1.Health',
]

// A stream that has nothing more to say is left after that.
const STREAM_MS = 50
// Where it was left so late, the machine stood still: that an answer was late then is nobody's fault.
const PAUSE_MS = 1000
const INTERNAL = 13
const UNKNOWN = 2
const CANCELLED = 1
const DEADLINE = 4

/** Requests of every RPC, at a real server as an operator, an agent and a stranger, and at an agent's socket. */
export const requests: Target = {
  name: 'requests',
  async open() {
    const stand = await openFuzzStand()
    const { at } = stand
    const buffers = at.chain.map((der) => Buffer.from(der, 'base64'))
    const identity = {
      id: SpiffeId.parse(at.agentId),
      chain: buffers,
      privateKey: Buffer.from(at.privateKey, 'base64'),
    }
    const tls = (shown: boolean): RpcChannel =>
      dialTls({
        address: at.address,
        log: silentLog,
        verifyPeer: () => SpiffeId.parse('spiffe://example.org/spire/server'),
        ...(shown && { identity: () => identity }),
      })
    const channels = [dialUnix(at.adminSocket), tls(true), tls(false), dialUnix(at.socket)]
    const samples = {
      texts: [
        ...[
          '',
          'example.org',
          'spiffe://example.org',
          '/web',
          '/fuzz',
          'unix',
          'uid:0',
          'join_token',
        ],
        ...[
          at.agentId,
          'other.example',
          'https://other.example/bundle',
          'default',
          'ALL',
          'me',
          '*',
        ],
      ],
      bytes: [Buffer.from(at.csr, 'base64'), ...buffers, Buffer.from('{"keys":[]}')],
    }
    const doors = [serverServices, tlsServices, tlsServices, agentServices].flatMap(
      (services, door) =>
        services.flatMap((service) =>
          methodsOf(service, samples).map((method) => ({ door, ...method })),
        ),
    )
    const headers = new Metadata()
    headers.set('workload.spiffe.io', 'true')
    return {
      // Two bytes for the RPC, then its request.
      inputs: fc.nat({ max: doors.length - 1 }).chain((index) => {
        const door = doors[index]
        const none = fc.constant(new Uint8Array())
        return withByteEdits(door === undefined ? none : door.requests).map((request) =>
          Buffer.concat([Buffer.of(index >> 8, index & 0xff), request]),
        )
      }),
      async take(input) {
        const bytes = Buffer.from(input)
        const door = doors[bytes.readUInt16BE(0)]
        const channel = channels[door?.door ?? 0]
        if (door === undefined || channel === undefined) return
        const answer = await call(channel.client, door.path, bytes.subarray(2), headers)
        stand.check()
        judge(door.path, answer)
      },
      workedMs: stand.loopMs,
      descriptors: stand.descriptors,
      async [Symbol.asyncDispose]() {
        for (const channel of channels) channel.close()
        await stand[Symbol.asyncDispose]()
      },
    }
  },
}

/** Every RPC is called as a stream in both directions, which on the wire is all the same. */
function call(
  client: Client,
  path: string,
  request: Buffer,
  headers: Metadata,
): Promise<ServiceError | undefined> {
  const asIs = (bytes: Buffer): Buffer => bytes
  const startMs = performance.now()
  return new Promise((resolve) => {
    const stream = client.makeBidiStreamRequest(path, asIs, asIs, headers, {
      deadline: Date.now() + 5000,
    })
    const leave = setTimeout(() => stream.cancel(), STREAM_MS)
    let failure: ServiceError | undefined
    stream.on('data', () => {})
    stream.on('error', (error: ServiceError) => {
      failure = error
    })
    stream.on('status', () => {
      clearTimeout(leave)
      const stoodStill = performance.now() - startMs > PAUSE_MS
      resolve(stoodStill && failure?.code === DEADLINE ? undefined : failure)
    })
    stream.write(request)
    stream.end()
  })
}

/** A refusal is one of ours; what the server did not expect is a failure. grpc-js itself refuses what is no protobuf. */
function judge(path: string, answer: ServiceError | undefined): void {
  if (answer === undefined || answer.code === CANCELLED) return
  const isNoProtobuf = answer.code === INTERNAL && answer.details.startsWith('Error deserializing')
  if (!isNoProtobuf && [INTERNAL, UNKNOWN, DEADLINE].includes(answer.code)) {
    throw new Error(`${path} answered ${answer.code} ${answer.details}`)
  }
  throw new CountersignError('invalid', answer.details, { reason: 'refused' })
}
