import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { CountersignError } from '../../src/errors.ts'
import type { OpenTarget, Target } from './target.ts'

export interface FuzzReport {
  readonly inputs: number
  readonly accepted: number
  readonly slowestMs: number
}

const CHUNK = 100
// The largest policies take 130, and 350 on two cores that have to serve fifteen; what is quadratic takes seconds.
const BOUND_MS = 1000
// What takes longer is tried again, so that the report names an input that is slow and no pause.
const PAUSE_MS = 100
// A pool that was not there before may hold a few; a leak of one an input is thousands.
const SPARE_DESCRIPTORS = 16

/** Why an input failed, with all that is needed to have it again. */
export class FuzzFailure extends Error {
  constructor(what: string, input: Uint8Array, cause?: unknown) {
    const shown = Buffer.from(input.subarray(0, 3000)).toString('base64')
    const more = input.length > 3000 ? ` and ${input.length - 3000} bytes more` : ''
    super(`${what}\ninput, base64: ${shown}${more}`, { cause })
  }
}

/**
 * Throws inputs at a target for some seconds, or so many of them; the same seed gives the same inputs in the same
 * order. Throws `FuzzFailure` at the first that does harm.
 */
export async function fuzz(
  target: Target,
  until: { readonly seconds: number } | { readonly inputs: number },
  seed: number,
): Promise<FuzzReport> {
  await using open = await target.open(seed)
  let last: Uint8Array = new Uint8Array()
  const stray = Promise.withResolvers<never>()
  const onStray = (error: unknown): void =>
    stray.reject(new FuzzFailure('an error that nobody caught', last, error))
  process.on('uncaughtException', onStray).on('unhandledRejection', onStray)
  stray.promise.catch(() => {})
  let [inputs, accepted, slowestMs] = [0, 0, 0]
  const before = open.descriptors()
  const startedMs = performance.now()
  const isOver = (): boolean =>
    'inputs' in until
      ? inputs >= until.inputs
      : performance.now() - startedMs >= until.seconds * 1000
  try {
    for (let chunk = 0; !isOver(); chunk++) {
      for (const input of fc.sample(open.inputs, { seed: seed + chunk, numRuns: CHUNK })) {
        last = input
        const { ms, isAccepted } = await Promise.race([takeTimed(open, input), stray.promise])
        inputs++
        if (isAccepted) accepted++
        slowestMs = Math.max(slowestMs, ms)
        if (isOver()) break
      }
      // Rejections that nobody caught are told of between turns.
      await Promise.race([turn(), stray.promise])
    }
    const held = await settled(open, before)
    if (held > before + SPARE_DESCRIPTORS) {
      throw new FuzzFailure(`${held - before} descriptors are left`, last)
    }
    return { inputs, accepted, slowestMs }
  } finally {
    process.off('uncaughtException', onStray).off('unhandledRejection', onStray)
  }
}

async function takeTimed(
  open: OpenTarget,
  input: Uint8Array,
): Promise<{ ms: number; isAccepted: boolean }> {
  const first = await takeOnce(open, input)
  if (first.ms <= PAUSE_MS) return first
  // There may have been something else to do, such as to collect garbage: what is slow is slow again.
  let ms = first.ms
  for (let again = 0; again < 4; again += 1) ms = Math.min(ms, (await takeOnce(open, input)).ms)
  if (ms > BOUND_MS) throw new FuzzFailure(`${Math.round(ms)} ms for one input`, input)
  return { ...first, ms }
}

async function takeOnce(
  open: OpenTarget,
  input: Uint8Array,
): Promise<{ ms: number; isAccepted: boolean }> {
  const startMs = open.workedMs()
  let isAccepted = true
  try {
    await open.take(input)
  } catch (error) {
    if (!(error instanceof CountersignError) || error.code === 'internal') {
      throw new FuzzFailure(`something other than a refusal: ${String(error)}`, input, error)
    }
    isAccepted = false
  }
  return { ms: open.workedMs() - startMs, isAccepted }
}

/** What is closing may take a moment, or many where all the machine is busy. */
async function settled(open: OpenTarget, before: number): Promise<number> {
  const isMore = (): boolean => open.descriptors() > before + SPARE_DESCRIPTORS
  for (let waited = 0; waited < 5000 && isMore(); waited += 50) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return open.descriptors()
}
