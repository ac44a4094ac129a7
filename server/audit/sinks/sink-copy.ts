import { createBackoff } from '../../../src/runtime/backoff.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import type { Log } from '../../../src/runtime/log.ts'
import { createOutage, type Outage } from '../../../src/runtime/outage.ts'
import type { Trail } from '../trail.ts'
import { type TrailLine, TrailReader } from '../trail-reader.ts'
import type { Cursor } from './cursor.ts'
import type { Sink } from './sink.ts'

export interface SinkCopyDeps {
  readonly name: string
  readonly sink: Sink
  readonly cursor: Cursor
  /** The trail's file. */
  readonly path: string
  readonly trail: Pick<Trail, 'head'>
  readonly clock: Clock
  readonly log: Log
}

const batchLines = 256
const idlePauseMs = 200
const saveEveryMs = 1000
const drainMs = 3000

/**
 * Copies the trail to one sink. The file itself is the queue, so that no more than a batch is in memory however
 * long the sink is away, and nothing is left out: it goes on from the last number that the sink has for sure.
 */
export class SinkCopy {
  readonly #deps: SinkCopyDeps
  readonly #backoff = createBackoff({ baseMs: 250, capMs: 30_000 })
  #begun = false
  /** The last record that was handed over. */
  #sent = 0
  /** Records that were, with the time: those that are old enough have arrived. */
  #unsettled: { readonly number: number; readonly atMs: number }[] = []
  #settled = 0
  #saved = 0
  #savedMs = 0
  readonly #outage: Outage
  #draining = false
  #isRetrying = false
  /** What was sent by the first try after a failure that seemed to come off. */
  #triedUpTo: number | undefined

  constructor(deps: SinkCopyDeps) {
    this.#deps = deps
    this.#outage = createOutage({
      lost: 'a sink of the audit trail takes no records',
      back: 'a sink of the audit trail takes records again',
      ...{ clock: deps.clock, log: deps.log },
    })
  }

  get name(): string {
    return this.#deps.name
  }

  /** Records on disk that the sink does not have yet. */
  get lag(): number {
    return Math.max(0, this.#deps.trail.head().number - this.#sent)
  }

  /** Copies until the signal aborts, or until `drain` finds it done. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, path, sink } = this.#deps
    const reader = new TrailReader(path)
    try {
      while (!signal.aborted) {
        const pauseMs = await this.#step(reader, signal)
        if (this.#draining && this.lag === 0) break
        if (pauseMs > 0) await clock.sleep(pauseMs, signal)
      }
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      sink.close()
      await this.#save(0).catch(() => {})
      await reader[Symbol.asyncDispose]()
    }
  }

  /** For a stop: what is on disk by now goes out as far as three seconds let it. Resolves then at the latest. */
  async drain(running: Promise<void>, stop: AbortController): Promise<void> {
    this.#draining = true
    const { clock } = this.#deps
    const late = clock.sleep(drainMs, stop.signal).then(
      () => stop.abort(),
      () => {},
    )
    await running
    stop.abort()
    await late
  }

  async #step(reader: TrailReader, signal: AbortSignal): Promise<number> {
    const { sink, trail, clock, log, name } = this.#deps
    try {
      if (!this.#begun) await this.#begin()
      // Also where there is nothing to send: what was sent last counts as arrived soon.
      sink.check?.()
      const lines = await reader.read(this.#sent, trail.head().number, batchLines)
      const last = lines.at(-1)
      if (last !== undefined) {
        const missing = missingIn(this.#sent, lines)
        if (missing !== undefined) {
          log.error('records are missing in the audit trail, and not sent', {
            sink: name,
            ...missing,
          })
        }
        await sink.send(lines, signal)
        this.#sent = last.head.number
        this.#unsettled.push({ number: this.#sent, atMs: clock.monotonicMs() })
      }
      await this.#save(saveEveryMs)
      this.#noteSent()
      return lines.length === batchLines ? 0 : idlePauseMs
    } catch (error) {
      if (signal.aborted) throw error
      this.#outage.failed(error, { sink: name })
      this.#isRetrying = true
      this.#triedUpTo = undefined
      sink.close()
      this.#settle()
      this.#sent = this.#settled
      this.#unsettled = []
      return this.#backoff.next()
    }
  }

  /** After a failure what was sent has to settle first: a server that takes each connection, and breaks it, takes nothing. */
  #noteSent(): void {
    if (this.#isRetrying) {
      this.#triedUpTo ??= this.#sent
      if (this.#settled < this.#triedUpTo) return
      this.#isRetrying = false
      this.#outage.over({ sink: this.#deps.name })
    }
    this.#triedUpTo = undefined
    this.#backoff.reset()
  }

  /** What cannot be read now may be later: the other sinks, and a stop, do not wait for it. */
  async #begin(): Promise<void> {
    const { cursor, trail } = this.#deps
    this.#settled = Math.min(await cursor.read(), trail.head().number)
    this.#sent = this.#saved = this.#settled
    this.#begun = true
  }

  #settle(): void {
    const until = this.#deps.clock.monotonicMs() - this.#deps.sink.settleMs
    const young = this.#unsettled.findIndex(({ atMs }) => atMs > until)
    const old = young < 0 ? this.#unsettled.length : young
    this.#settled = this.#unsettled[old - 1]?.number ?? this.#settled
    this.#unsettled = this.#unsettled.slice(old)
  }

  async #save(everyMs: number): Promise<void> {
    this.#settle()
    const nowMs = this.#deps.clock.monotonicMs()
    if (this.#settled === this.#saved || nowMs - this.#savedMs < everyMs) return
    await this.#deps.cursor.write(this.#settled)
    this.#saved = this.#settled
    this.#savedMs = nowMs
  }
}

/** Of what should follow a record: the first and the last number that are not there. */
function missingIn(
  after: number,
  lines: readonly TrailLine[],
): { readonly first: number; readonly last: number } | undefined {
  let before = after
  let first: number | undefined
  let last = after
  for (const { head } of lines) {
    if (head.number > before + 1) {
      first ??= before + 1
      last = head.number - 1
    }
    before = head.number
  }
  return first === undefined ? undefined : { first, last }
}
