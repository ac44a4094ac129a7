import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { openCursor } from '../../../../server/audit/sinks/cursor.ts'
import type { Sink } from '../../../../server/audit/sinks/sink.ts'
import { SinkCopy } from '../../../../server/audit/sinks/sink-copy.ts'
import { openTrail, type Trail } from '../../../../server/audit/trail.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const chain = 'c0'.repeat(16)
let folder: string
let path: string
let clock: FakeClock
let trail: Trail

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sink-copy-'))
  path = join(folder, 'audit.log')
  clock = new FakeClock()
  trail = await openTrail({ path, clock, log: silentLog, maxFileBytes: 20_000 })
  onTestFinished(async () => {
    await trail[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  })
})

async function record(count: number): Promise<void> {
  for (let i = 0; i < count; i += 100) {
    const time = clock.now()
    const event = {
      kind: 'token.issued',
      time,
      actor: { kind: 'server' },
      decision: 'allow',
    } as const
    await trail.append(Array.from({ length: Math.min(100, count - i) }, () => event))
  }
}

/** A sink that fails while `broken`, and remembers numbers. */
class Remembering implements Sink {
  readonly settleMs: number
  taken: number[] = []
  broken = false
  largest = 0

  constructor(settleMs = 0) {
    this.settleMs = settleMs
  }

  async send(lines: Parameters<Sink['send']>[0]): Promise<void> {
    if (this.broken) throw new Error('nobody listens')
    this.largest = Math.max(this.largest, lines.length)
    this.taken.push(...lines.map(({ head }) => head.number))
  }

  close(): void {}
}

interface Running {
  readonly copy: SinkCopy
  /** Lets time pass until it has sent all, and then until it has stopped. */
  stop(): Promise<void>
  drain(): Promise<void>
}

function start(sink: Sink, name = 'one', log = silentLog): Running {
  const cursor = openCursor(path, name, chain)
  const copy = new SinkCopy({ name, sink, cursor, path, trail, clock, log })
  const stop = new AbortController()
  const running = copy.run(stop.signal)
  const drain = () => copy.drain(running, stop)
  return {
    copy,
    drain,
    async stop() {
      await until(() => copy.lag === 0)
      let stopped = false
      const stopping = drain().finally(() => {
        stopped = true
      })
      while (!stopped) await clock.advance(100)
      await stopping
    },
  }
}

/** Each look waits for the disk, which no clock moves. */
async function pass(ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 200) {
    await clock.advance(200)
    while (clock.sleeping === 0) await nextTurn()
  }
}

/** Lets the copy go on, by the clock, until it is where it should be. */
async function until(what: () => boolean): Promise<void> {
  await expect
    .poll(async () => {
      await clock.advance(300)
      return what()
    })
    .toBe(true)
}

const upTo = (last: number, first = 1): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i)

describe('a copy of the trail to a sink', () => {
  test('has all records in order, through all files, a bounded number at a time', async () => {
    const sink = new Remembering()
    await record(1000)
    expect(readdirSync(folder).length).toBeGreaterThan(3)
    const running = start(sink)
    await until(() => running.copy.lag === 0)
    await record(10)
    expect(running.copy.lag).toBe(10)
    await until(() => running.copy.lag === 0)
    expect(sink.taken).toEqual(upTo(1010))
    expect(sink.largest).toBeLessThanOrEqual(256)
    await running.stop()
  })

  test('says which records are missing, wherever they are, and goes on', async () => {
    await record(300)
    const first = `${path}.000001`
    const lines = readFileSync(first, 'utf8').split('\n')
    writeFileSync(first, lines.with(2, 'x'.repeat(lines[2]?.length ?? 0)).join('\n'))
    const said: unknown[] = []
    const log = { ...silentLog, error: (...one: unknown[]) => void said.push(one) }
    const sink = new Remembering()
    const running = start(sink, 'one', log)
    await until(() => running.copy.lag === 0)
    expect(sink.taken).toEqual([1, 2, ...upTo(300, 4)])
    expect(said).toEqual([[expect.any(String), { sink: 'one', first: 3, last: 3 }]])
    await running.stop()
  })

  test('keeps each second how far it has got, for a server that is killed', async () => {
    const running = start(new Remembering())
    for (const count of [300, 600]) {
      await record(300)
      await until(() => running.copy.lag === 0)
      const doneMs = clock.monotonicMs()
      await expect
        .poll(async () => {
          await clock.advance(200)
          return openCursor(path, 'one', chain).read()
        })
        .toBe(count)
      // Each look of the copy takes some turns of the loop, in which this one goes on.
      expect(clock.monotonicMs() - doneMs).toBeLessThan(60_000)
    }
    await running.stop()
  })

  test('waits for a sink that is away, and leaves nothing out', async () => {
    const sink = new Remembering()
    sink.broken = true
    const running = start(sink)
    await record(700)
    await until(() => running.copy.lag === 700)
    sink.broken = false
    await until(() => running.copy.lag === 0)
    expect(sink.taken).toEqual(upTo(700))
    await running.stop()
  })

  test('begins once it can be read how far the sink has got, and stops in time where it cannot', async () => {
    await record(20)
    await start(new Remembering()).stop()
    await record(10)
    renameSync(`${path}.sink-one`, join(folder, 'kept'))
    symlinkSync(folder, `${path}.sink-one`)
    const sink = new Remembering()
    const running = start(sink)
    for (let n = 0; n < 20; n += 1) await clock.advance(300)
    expect(sink.taken).toEqual([])
    renameSync(join(folder, 'kept'), `${path}.sink-one`)
    await running.stop()
    expect(sink.taken).toEqual(upTo(30, 21))

    rmSync(`${path}.sink-one`)
    mkdirSync(`${path}.sink-one`)
    const stopping = start(new Remembering()).drain()
    for (let ms = 0; ms < 3100; ms += 100) await clock.advance(100)
    await stopping
  })

  test('sends again what is young where the connection breaks while there is nothing to send', async () => {
    const sink = Object.assign(new Remembering(5000), { check: () => {} })
    const running = start(sink)
    await record(5)
    await until(() => running.copy.lag === 0)
    for (let ms = 0; ms < 6000; ms += 500) await clock.advance(500)
    await record(5)
    await until(() => running.copy.lag === 0)
    let isBroken = true
    sink.check = () => {
      if (!isBroken) return
      isBroken = false
      throw new Error('broken')
    }
    await until(() => sink.taken.length === 15)
    expect(sink.taken).toEqual([...upTo(10), ...upTo(10, 6)])
    await running.stop()
  })

  test('tells once of a server that takes connections and breaks them, and tries it ever more seldom', async () => {
    const sink = Object.assign(new Remembering(5000), { tries: 0, check: () => {} })
    const said: string[] = []
    const log = {
      ...silentLog,
      warn: () => void said.push('warn'),
      info: () => void said.push('info'),
    }
    const running = start(sink, 'one', log)
    await record(5)
    let isBreaking = true
    sink.check = () => {
      if (!isBreaking || sink.taken.length === sink.tries) return
      sink.tries = sink.taken.length
      throw new Error('broken')
    }
    await pass(120_000)
    expect(sink.tries / 5).toBeLessThan(15)
    // A minute later, once more.
    expect(said).toEqual(['warn', 'warn'])
    isBreaking = false
    await pass(40_000)
    expect(said).toEqual(['warn', 'warn', 'info'])
    await running.stop()
  })

  test('goes on after a restart where it was, and another sink begins at the beginning', async () => {
    await record(300)
    const before = new Remembering()
    await start(before).stop()
    await record(100)
    const [after, other] = [new Remembering(), new Remembering()]
    await start(after).stop()
    await start(other, 'two').stop()
    expect([before.taken, after.taken]).toEqual([upTo(300), upTo(400, 301)])
    expect(other.taken).toEqual(upTo(400))
    expect(statSync(`${path}.sink-one`).mode & 0o777).toBe(0o600)
  })

  test('sends again what may have been lost with a connection that acknowledges nothing', async () => {
    const sink = new Remembering(5000)
    const running = start(sink)
    await record(10)
    await until(() => sink.taken.length === 10)
    await clock.advance(5000)
    await record(10)
    await until(() => sink.taken.length === 20)
    sink.broken = true
    await record(10)
    await until(() => running.copy.lag === 20)
    sink.broken = false
    await until(() => running.copy.lag === 0)
    expect(sink.taken).toEqual([...upTo(20), ...upTo(30, 11)])
    await running.stop()
    // Nor does a restart believe in what is younger than that.
    await start(sink).stop()
    expect(sink.taken.slice(-20)).toEqual(upTo(30, 11))
  })

  test('of another trail, or of a place that cannot be read, is made anew', async () => {
    await record(10)
    for (const text of [`${'d0'.repeat(16)} 7\n`, 'seven', '']) {
      writeFileSync(`${path}.sink-one`, text)
      const sink = new Remembering()
      await start(sink).stop()
      expect(sink.taken).toEqual(upTo(10))
    }
    writeFileSync(`${path}.sink-one`, `${chain} 99\n`)
    await start(new Remembering()).stop()
  })

  test('of a trail that is shorter than it was, as from a backup, has all that comes', async () => {
    await record(3)
    writeFileSync(`${path}.sink-one`, `${chain} 100\n`)
    const sink = new Remembering()
    const running = start(sink)
    await pass(400)
    await record(2)
    await running.stop()
    expect(sink.taken).toEqual([4, 5])
  })

  test('holds a stop up for three seconds at most', async () => {
    const sink = new Remembering()
    sink.broken = true
    await record(10)
    const running = start(sink)
    let stopped = false
    const stopping = running.drain().then(() => {
      stopped = true
    })
    await clock.advance(2900)
    expect(stopped).toBe(false)
    await clock.advance(200)
    await stopping
    expect(sink.taken).toEqual([])
  })
})
