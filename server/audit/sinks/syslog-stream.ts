import { once } from 'node:events'
import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls, type SecureContextOptions } from 'node:tls'
import { CountersignError } from '../../../src/errors.ts'
import { breakUnanswered } from '../../../src/rpc/tcp-user-timeout.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import type { HostPort } from '../../../src/runtime/config-value.ts'
import { untilAborted } from '../../../src/runtime/until-aborted.ts'
import type { TrailLine } from '../trail-reader.ts'
import type { Sink } from './sink.ts'
import { syslogMessage } from './syslog-message.ts'
import { tlsTrusting } from './trusted-cas.ts'

const answerMs = 10_000
// Nothing is acknowledged: what was written this long before a connection broke has arrived.
const settleMs = 5000
/** Less than that, so that what the network swallows is not taken for arrived. */
const unansweredMs = 4000

/** `tls`: PEM file of the CAs that the other side's certificate may come from; undefined: the Web's. `false`: plain TCP. */
export interface SyslogStreamSettings {
  readonly address: HostPort
  readonly tls: false | { readonly ca: string | undefined }
}

/** RFC 5425 over TLS, RFC 6587 §3.4.1 over TCP: the length in front of each message. */
export function syslogStreamSink({ address, tls }: SyslogStreamSettings): Sink {
  const trust = tls === false ? undefined : tlsTrusting(tls.ca)
  let socket: Socket | undefined
  let writtenMs = Number.NEGATIVE_INFINITY
  const close = (): void => {
    socket?.destroy()
    socket = undefined
  }
  const check = (): void => {
    const isBroken = socket?.destroyed === true
    if (isBroken && systemClock.monotonicMs() - writtenMs < settleMs) throw broken()
  }
  return {
    settleMs,
    check,
    async send(lines, signal) {
      check()
      const late = AbortSignal.any([signal, AbortSignal.timeout(answerMs)])
      if (socket?.destroyed !== false) socket = await open(address, trust, late)
      const connected = socket
      writtenMs = systemClock.monotonicMs()
      const written = new Promise<void>((resolve, reject) => {
        connected.write(frames(lines), (error) => (error ? reject(error) : resolve()))
      })
      await untilAborted(written, late)
    },
    close,
  }
}

function frames(lines: readonly TrailLine[]): Buffer {
  return Buffer.concat(
    lines.map((line) => {
      const message = Buffer.from(syslogMessage(line))
      return Buffer.concat([Buffer.from(`${message.length} `), message])
    }),
  )
}

async function open(
  address: HostPort,
  trust: SecureContextOptions | undefined,
  signal: AbortSignal,
): Promise<Socket> {
  const { host } = address
  const socket =
    trust === undefined
      ? connect(address)
      : connectTls({
          ...{ ...address, ...trust, rejectUnauthorized: true },
          ...(isIP(host) === 0 && { servername: host }),
        })
  // A server has nothing to say: what it sends is dropped, and its end is the end.
  socket.resume()
  socket.once('end', () => socket.destroy())
  try {
    await once(socket, trust === undefined ? 'connect' : 'secureConnect', { signal })
  } catch (cause) {
    socket.destroy()
    throw new CountersignError('unavailable', 'cannot connect to the syslog server', {
      reason: 'audit-sink-address',
      cause,
    })
  }
  socket.on('error', () => socket.destroy())
  socket.setKeepAlive(true, 10_000)
  breakUnanswered(socket, unansweredMs)
  return socket
}

function broken(): CountersignError {
  return new CountersignError('unavailable', 'the connection to the syslog server has broken', {
    reason: 'audit-sink-broken',
  })
}
