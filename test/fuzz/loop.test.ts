import { closeSync, openSync, readdirSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { CountersignError } from '../../src/errors.ts'
import { fuzz } from './loop.ts'
import { parsers } from './parsers.ts'
import type { Target } from './target.ts'

const bad = 0xbad
/** So many that the bad one comes several times. */
const many = { inputs: 20_000 }

/** Takes any two bytes well but one, for which it does this. */
function targetThat(misbehaves: () => unknown): Target {
  let workedMs = 0
  return {
    name: 'a target',
    open: async () => ({
      inputs: fc.nat({ max: 0xfff }).map((n) => Buffer.of(n >> 8, n & 0xff)),
      take(input) {
        workedMs += 1
        if (Buffer.from(input).readUInt16BE(0) !== bad) return undefined
        const did = misbehaves()
        if (typeof did === 'number') workedMs += did
        return did
      },
      workedMs: () => workedMs,
      descriptors: () => readdirSync('/proc/self/fd').length,
      [Symbol.asyncDispose]: async () => {},
    }),
  }
}

const input = `base64: ${Buffer.of(0x0b, 0xad).toString('base64')}`

describe('the fuzzer tells of an input', () => {
  test('for which something other than a refusal is thrown, and of no refusal', async () => {
    const refusal = new CountersignError('invalid', 'no', { reason: 'no' })
    const thrown = (error: Error) => () => {
      throw error
    }
    await expect(fuzz(targetThat(thrown(new TypeError('x'))), many, 1)).rejects.toThrow(input)
    const bug = new CountersignError('internal', 'x', { reason: 'x' })
    await expect(fuzz(targetThat(thrown(bug)), many, 1)).rejects.toThrow(input)
    const report = await fuzz(targetThat(thrown(refusal)), many, 1)
    expect(report.inputs).toBe(many.inputs)
    expect(report.accepted).toBeGreaterThan(0)
  })

  test('that takes too long each time, and of none that does once', async () => {
    await expect(
      fuzz(
        targetThat(() => 1001),
        many,
        1,
      ),
    ).rejects.toThrow('ms for one input')
    let times = 0
    const once = targetThat(() => (times++ === 0 ? 2000 : 1))
    expect((await fuzz(once, many, 1)).slowestMs).toBeLessThan(1000)
    expect(times).toBeGreaterThan(1)
  })

  test('that leaves descriptors open', async () => {
    const left: number[] = []
    onTestFinished(() => left.forEach(closeSync))
    const leaking = targetThat(() => {
      for (let n = 0; n < 30; n += 1) left.push(openSync('/dev/null', 'r'))
    })
    const report = fuzz(leaking, many, 1)
    await expect(report).rejects.toThrow('descriptors are left')
    expect(left.length).toBeGreaterThan(0)
  })

  test('with the same seed the same ones again', async () => {
    const seen = async (): Promise<string[]> => {
      const all: string[] = []
      const target = targetThat(() => undefined)
      await fuzz(
        {
          ...target,
          open: async () => {
            const open = await target.open(7)
            return { ...open, take: (bytes) => void all.push(Buffer.from(bytes).toString('hex')) }
          },
        },
        { inputs: 250 },
        7,
      )
      return all
    }
    const first = await seen()
    expect(first).toHaveLength(250)
    expect(await seen()).toEqual(first)
  })
})

test.each(parsers.map((target) => [target.name, target] as const))(
  'some inputs do no harm to the parser %s',
  async (_name, target) => {
    const { inputs, accepted } = await fuzz(target, { inputs: 200 }, 20_261_126)
    expect(inputs).toBe(200)
    expect(accepted).toBeLessThan(inputs)
  },
)
