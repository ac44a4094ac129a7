import { serviceDefinition } from '../../src/rpc/services.ts'

/** HTTP/2 by hand: to send what no library would, byte by byte. */
export const prefaceBytes: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

export function frame(type: number, flags: number, streamId: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(9)
  header.writeUIntBE(payload.length, 0, 3)
  header[3] = type
  header[4] = flags
  header.writeUInt32BE(streamId, 5)
  return Buffer.concat([header, payload])
}

export function settings(...pairs: readonly [id: number, value: number][]): Buffer {
  const payload = Buffer.alloc(6 * pairs.length)
  pairs.forEach(([id, value], index) => {
    payload.writeUInt16BE(id, 6 * index)
    payload.writeUInt32BE(value, 6 * index + 2)
  })
  return frame(4, 0, 0, payload)
}

/** What clients built on Netty announce. */
export const nettySettings: Buffer = settings([2, 0], [3, 0], [4, 1_048_576], [6, 8192])

export const flag = { endStream: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const

export function text(value: string): Buffer {
  return Buffer.concat([Buffer.from([value.length]), Buffer.from(value, 'latin1')])
}

/** A literal that the table keeps (0x40), does not keep (0x00), or must never keep (0x10). */
export function literal(name: string, value: string, kind = 0x00): Buffer {
  return Buffer.concat([Buffer.from([kind]), text(name), text(value)])
}

/** `:authority` by its static index. */
export function authority(value: string, kind = 0x40): Buffer {
  return Buffer.concat([Buffer.from([kind | 1]), text(value)])
}

/** Everything of a request's header block but `:authority`, which is put where it belongs. */
export function headerBlock(method: string, authorityField: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from([0x83, 0x86]),
    authorityField,
    literal(':path', method),
    literal('te', 'trailers'),
    literal('content-type', 'application/grpc'),
    literal('workload.spiffe.io', 'true'),
  ])
}

/** A gRPC message. */
export function message(payload: Buffer): Buffer {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(payload.length, 1)
  return Buffer.concat([prefix, payload])
}

export const jwtMethod = '/SpiffeWorkloadAPI/FetchJWTSVID'

/** A call of FetchJWTSVID with these headers. */
export function jwtCall(streamId: number, block: Buffer): Buffer {
  return Buffer.concat([frame(1, flag.endHeaders, streamId, block), jwtData(streamId)])
}

export function jwtData(streamId: number): Buffer {
  const { FetchJWTSVID } = serviceDefinition('SpiffeWorkloadAPI')
  const payload = message(FetchJWTSVID.requestSerialize({ audience: ['a'] }))
  return frame(0, flag.endStream, streamId, payload)
}

/** A connection's preface and a call whose request is empty. */
export function callBytes(method: string): Buffer {
  const headers = frame(1, flag.endHeaders, 1, headerBlock(method, authority('localhost')))
  const data = frame(0, flag.endStream, 1, message(Buffer.alloc(0)))
  return Buffer.concat([prefaceBytes, settings(), headers, data])
}
