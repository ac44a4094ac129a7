import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { CountersignError } from '../../../src/errors.ts'
import { sendUnixDatagrams } from '../../../src/rpc/unix-datagram.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import type { HostPort } from '../../../src/runtime/config-value.ts'
import type { Sink } from './sink.ts'
import { fitting, localMessage, syslogMessage } from './syslog-message.ts'

const maxBytes = 60_000
// That nobody listens is heard so late, where at all.
const settleMs = 1000
const answerMs = 10_000

/** RFC 5426. What the network drops is lost: whoever needs all of it takes TLS. */
export function syslogUdpSink({ host, port }: HostPort): Sink {
  let socket: Socket | undefined
  let refused: Error | undefined
  return {
    settleMs,
    check() {
      if (refused !== undefined) throw refused
    },
    async send(lines, signal) {
      const late = AbortSignal.any([signal, AbortSignal.timeout(answerMs)])
      socket ??= await connected(host, port, late, (error) => {
        refused = error
      })
      const sending = socket
      for (const line of lines) {
        const message = Buffer.from(syslogMessage(fitting(line, maxBytes)))
        await new Promise<void>((resolve, reject) => {
          sending.send(message, (error) => (error ? reject(error) : resolve()))
        })
      }
    },
    close() {
      socket?.close()
      socket = undefined
      refused = undefined
    },
  }
}

/** `onRefused` hears what ICMP says of a datagram, unless the very next send does. */
async function connected(
  host: string,
  port: number,
  signal: AbortSignal,
  onRefused: (error: Error) => void,
): Promise<Socket> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  try {
    socket.connect(port, host)
    await once(socket, 'connect', { signal })
  } catch (error) {
    socket.close()
    throw error
  }
  socket.on('error', onRefused)
  return socket
}

// A log that is behind holds ten datagrams or some hundreds; one that takes none for this long is taken for gone.
const behindPauseMs = 5
const behindMs = 1000

/** The machine's own log, such as `/dev/log`. */
export function syslogLocalSink(path: string): Sink {
  return {
    settleMs: 0,
    async send(lines, signal) {
      let left = lines.map((line) => Buffer.from(localMessage(fitting(line, maxBytes))))
      let movedMs = systemClock.monotonicMs()
      for (;;) {
        const sent = sendUnixDatagrams(path, left)
        left = left.slice(sent)
        if (left.length === 0) return
        const nowMs = systemClock.monotonicMs()
        if (sent > 0) movedMs = nowMs
        if (nowMs - movedMs >= behindMs) throw behind(path)
        await systemClock.sleep(behindPauseMs, signal)
      }
    },
    close() {},
  }
}

function behind(path: string): CountersignError {
  return new CountersignError('unavailable', `${path} does not take what it is sent`, {
    reason: 'audit-sink-behind',
  })
}
