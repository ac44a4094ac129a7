import { join } from 'node:path'
import { loadSync, type PackageDefinition } from '@grpc/proto-loader'
import fc from 'fast-check'
import { protoFiles, type ServiceName } from '../../src/rpc/services.ts'
import { packageFolder } from '../../src/runtime/package-folder.ts'

/** One RPC, and messages that its request could be, on the wire. */
export interface FuzzedMethod {
  readonly path: string
  readonly requests: fc.Arbitrary<Uint8Array>
}

interface Field {
  readonly number: number
  readonly label: string
  readonly type: string
  readonly typeName: string
}

interface MessageType {
  readonly name: string
  readonly field: readonly Field[]
  readonly nestedType: readonly MessageType[]
}

interface Method {
  readonly path: string
  readonly requestType: { readonly type: MessageType }
}

const MAX_DEPTH = 4

/** Every RPC of a service, with requests made of its `.proto` file: each field there or not, with odd values. */
export function methodsOf(
  service: ServiceName,
  samples: { readonly texts: readonly string[]; readonly bytes: readonly Uint8Array[] },
): readonly FuzzedMethod[] {
  const definitions = loadSync(protoFiles[service], {
    includeDirs: [join(packageFolder, 'proto')],
  })
  const methods = definitions[service] as unknown as Readonly<Record<string, Method>>
  const make = new MessageMaker(definitions, samples)
  return Object.values(methods).map(({ path, requestType }) => ({
    path,
    requests: make.message(requestType.type, 0),
  }))
}

class MessageMaker {
  readonly #types: ReadonlyMap<string, MessageType>
  readonly #texts: fc.Arbitrary<Uint8Array>
  readonly #bytes: fc.Arbitrary<Uint8Array>

  constructor(
    definitions: PackageDefinition,
    samples: { readonly texts: readonly string[]; readonly bytes: readonly Uint8Array[] },
  ) {
    const types = Object.values(definitions).flatMap((one) =>
      'type' in one && 'fileDescriptorProtos' in one ? [one.type as MessageType] : [],
    )
    this.#types = new Map(types.map((type) => [type.name, type]))
    this.#texts = fc.oneof(
      { weight: 5, arbitrary: fc.constantFrom(...samples.texts).map((one) => Buffer.from(one)) },
      {
        weight: 2,
        arbitrary: fc.string({ unit: 'grapheme', maxLength: 30 }).map((one) => Buffer.from(one)),
      },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }) },
      {
        weight: 1,
        arbitrary: fc
          .constantFrom('a'.repeat(3000), '/a'.repeat(1100))
          .map((one) => Buffer.from(one)),
      },
    )
    this.#bytes = fc.oneof(
      fc.constantFrom(...samples.bytes),
      fc.uint8Array({ maxLength: 40 }),
      this.#texts,
    )
  }

  message(type: MessageType, depth: number): fc.Arbitrary<Uint8Array> {
    const fields = type.field.map((field) => {
      const one = this.#field(type, field, depth)
      const none = fc.constant(new Uint8Array())
      const several =
        field.label === 'LABEL_REPEATED'
          ? fc.array(one, { maxLength: 4 }).map((all) => Buffer.concat(all))
          : one
      return fc.oneof({ weight: 3, arbitrary: several }, { weight: 1, arbitrary: none })
    })
    return fc.tuple(...fields).map((all) => Buffer.concat(all))
  }

  #field(owner: MessageType, field: Field, depth: number): fc.Arbitrary<Uint8Array> {
    const framed = (content: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> =>
      content.map((bytes) =>
        Buffer.concat([
          varint((BigInt(field.number) << 3n) | 2n),
          varint(BigInt(bytes.length)),
          bytes,
        ]),
      )
    switch (field.type) {
      case 'TYPE_STRING':
        return framed(this.#texts)
      case 'TYPE_BYTES':
        return framed(this.#bytes)
      case 'TYPE_MESSAGE': {
        const name = field.typeName.split('.').at(-1) ?? ''
        const type = owner.nestedType.find((one) => one.name === name) ?? this.#types.get(name)
        return framed(
          type === undefined || depth === MAX_DEPTH ? this.#bytes : this.message(type, depth + 1),
        )
      }
      default:
        return fc
          .oneof(fc.bigInt({ min: 0n, max: 4n }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))
          .map((value) => Buffer.concat([varint(BigInt(field.number) << 3n), varint(value)]))
    }
  }
}

function varint(value: bigint): Buffer {
  const octets: number[] = []
  let rest = value
  do {
    const more = rest > 0x7fn
    octets.push(Number(rest & 0x7fn) | (more ? 0x80 : 0))
    rest >>= 7n
  } while (rest > 0n)
  return Buffer.from(octets)
}
