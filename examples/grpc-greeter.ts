// The service of the gRPC examples. One of your own comes from a .proto file.
import type { MethodDefinition } from '@grpc/grpc-js'

const serialize = (text: string): Buffer => Buffer.from(text)
const deserialize = (bytes: Buffer): string => bytes.toString()

export const greeter: { readonly hello: MethodDefinition<string, string> } = {
  hello: {
    path: '/example.Greeter/Hello',
    requestStream: false,
    responseStream: false,
    requestSerialize: serialize,
    requestDeserialize: deserialize,
    responseSerialize: serialize,
    responseDeserialize: deserialize,
  },
}
