import { cpus } from 'node:os'

/** Seconds instead of a minute: for CI, where no figure is compared. */
export const short: boolean = process.argv.includes('--short')

export interface Figure {
  /** What ours did, in `unit`. */
  readonly ours: number
  /** What the bare program did in the same run; undefined where there is none. */
  readonly bare?: number
  /** `ours / bare` as the targets count it. */
  readonly ratio?: number
  readonly unit: string
  /** What the issue asks for, as text: `ratio >= 0.7`. */
  readonly target?: string
  readonly met?: boolean
  /** Where we want to be on two cores shared with the client: printed, not promised. */
  readonly aim?: string
  /** Whatever else was seen. */
  readonly [detail: string]: unknown
}

/** One JSON object on stdout, and nothing else. */
export function report(name: string, figures: Readonly<Record<string, Figure>>): void {
  const [cpu] = cpus()
  const machine = {
    cores: cpus().length,
    cpu: cpu?.model ?? 'unknown',
    node: process.version,
    short,
  }
  process.stdout.write(`${JSON.stringify({ name, figures, machine })}\n`)
}

/** Of several pairs, each taken one right after the other: the machine's speed drifts, the pair's does not. */
export function rate(
  pairs: readonly { readonly ours: number; readonly bare: number }[],
  leastRatio: number,
  aim: string,
  details: Readonly<Record<string, unknown>> = {},
): Figure {
  const ratios = pairs.map(({ ours, bare }) => round(ours / bare))
  const ratio = median(ratios)
  return {
    ours: Math.round(median(pairs.map(({ ours }) => ours))),
    bare: Math.round(median(pairs.map(({ bare }) => bare))),
    ratio,
    unit: '/s',
    target: `ratio >= ${leastRatio}`,
    met: ratio >= leastRatio,
    aim,
    best: Math.round(Math.max(...pairs.map(({ ours }) => ours))),
    ratios,
    ...details,
  }
}

/** A figure with a bound of its own, that no bare program is held against. */
export function bounded(
  ours: number,
  most: number,
  unit: string,
  details: Readonly<Record<string, unknown>> = {},
): Figure {
  return { ours: round(ours), unit, target: `<= ${most}`, met: ours <= most, ...details }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}

export function round(value: number): number {
  return Math.round(value * 100) / 100
}
