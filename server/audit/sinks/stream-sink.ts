import type { Writable } from 'node:stream'
import { untilAborted } from '../../../src/runtime/until-aborted.ts'
import type { Sink } from './sink.ts'

/** The lines as they stand in the file, to standard output. */
export function streamSink(stream: Writable): Sink {
  // Each write tells its own failure; without a listener it would end the process as well.
  stream.on('error', () => {})
  return {
    settleMs: 0,
    send(lines, signal) {
      const text = lines.map((line) => `${line.text}\n`).join('')
      const written = new Promise<void>((resolve, reject) => {
        stream.write(text, (error) => (error ? reject(error) : resolve()))
      })
      return untilAborted(written, signal)
    },
    close() {},
  }
}
