import type { Log } from '../../../src/runtime/log.ts'
import type { SinkSettings } from '../settings.ts'
import { openCursor } from './cursor.ts'
import { otlpSink } from './otlp-sink.ts'
import type { Sink } from './sink.ts'
import { SinkCopy, type SinkCopyDeps } from './sink-copy.ts'
import { streamSink } from './stream-sink.ts'
import { syslogLocalSink, syslogUdpSink } from './syslog-datagram.ts'
import { syslogStreamSink } from './syslog-stream.ts'

/** All that the trail is copied to. */
export interface Sinks {
  /** Records that each does not have yet, by its name. */
  lag(): ReadonlyMap<string, number>
  /** Copies until `stop`; resolves then. */
  run(): Promise<void>
  /** Sends what is on disk by now, for three seconds at most, and ends `run`. */
  stop(): Promise<void>
}

type Deps = Pick<SinkCopyDeps, 'path' | 'trail' | 'clock' | 'log'> & { readonly chain: string }

/** Throws `invalid` `audit-sink-ca` where a file of CAs cannot be read. */
export function openSinks(settings: readonly SinkSettings[], deps: Deps): Sinks {
  const { path, chain, log } = deps
  const copies = settings.map(
    (one) =>
      new SinkCopy({
        ...deps,
        name: one.name,
        sink: sinkOf(one, chain, log),
        cursor: openCursor(path, one.name, chain),
      }),
  )
  const stopping = copies.map(() => new AbortController())
  let running: readonly Promise<void>[] = []
  return {
    lag: () => new Map(copies.map(({ name, lag }) => [name, lag])),
    async run() {
      running = copies.map((copy, i) => copy.run((stopping[i] as AbortController).signal))
      await Promise.all(running)
    },
    async stop() {
      await Promise.all(
        copies.map((copy, i) =>
          copy.drain(running[i] ?? Promise.resolve(), stopping[i] as AbortController),
        ),
      )
    },
  }
}

function sinkOf(settings: SinkSettings, chain: string, log: Log): Sink {
  switch (settings.type) {
    case 'stdout':
      return streamSink(process.stdout)
    case 'otlp':
      return otlpSink(settings, chain, log)
    case 'syslog': {
      const { to, ca } = settings
      if (to.transport === 'unix') return syslogLocalSink(to.path)
      if (to.transport === 'udp') return syslogUdpSink(to.address)
      return syslogStreamSink({ address: to.address, tls: to.transport === 'tls' && { ca } })
    }
  }
}
