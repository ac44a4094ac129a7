import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js'
import { CountersignError } from '../../src/errors.ts'
import type { ServerReflectionRequest } from '../../src/rpc/gen/grpc/reflection/v1/ServerReflectionRequest.ts'
import type { ServerReflectionResponse$Input } from '../../src/rpc/gen/grpc/reflection/v1/ServerReflectionResponse.ts'
import { bidiStream } from '../../src/rpc/handler.ts'
import type { RpcServer } from '../../src/rpc/server.ts'
import { type ServiceName, serviceDefinition } from '../../src/rpc/services.ts'
import type { Peer } from './peer.ts'
import { createReflection, maxReflectionRequests } from './reflection.ts'

/** Both names that tools call; their messages are the same. */
const names = [
  'grpc.reflection.v1.ServerReflection',
  'grpc.reflection.v1alpha.ServerReflection',
] as const satisfies readonly ServiceName[]

/** Workload Endpoint §7: gRPC's server reflection, for `others` and itself. */
export function addReflectionService(
  rpc: RpcServer<Peer, Peer>,
  others: readonly ServiceName[],
): void {
  const reflection = createReflection([...others, ...names])
  const info = bidiStream(async function* (
    requests: AsyncIterable<ServerReflectionRequest>,
  ): AsyncGenerator<ServerReflectionResponse$Input> {
    let answered = 0
    for await (const request of requests) {
      if (answered === maxReflectionRequests) throw tooMany()
      answered += 1
      yield reflection.answer(request)
    }
  })
  for (const name of names) rpc.addService(definitionAtUse(name), { ServerReflectionInfo: info })
}

/** What most agents are never asked for is not read when they start. */
function definitionAtUse(name: (typeof names)[number]): ServiceDefinition {
  const method = (): MethodDefinition<object, object> =>
    serviceDefinition(name).ServerReflectionInfo
  return {
    ServerReflectionInfo: {
      path: `/${name}/ServerReflectionInfo`,
      requestStream: true,
      responseStream: true,
      requestSerialize: (message) => method().requestSerialize(message),
      requestDeserialize: (bytes) => method().requestDeserialize(bytes),
      responseSerialize: (message) => method().responseSerialize(message),
      responseDeserialize: (bytes) => method().responseDeserialize(bytes),
    },
  }
}

function tooMany(): CountersignError {
  return new CountersignError('exhausted', 'too many requests on one stream', {
    reason: 'reflection-requests',
    fix: 'open another stream',
  })
}
