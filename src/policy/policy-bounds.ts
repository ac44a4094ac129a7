import { CountersignError } from '../errors.ts'
import type { PolicyFile } from './policy-set.ts'

/*
 * Cedar reads by recursion. A text that is nested some 130 deep overruns its stack, which it does not survive: from then
 * on every decision fails, by whatever policies. So texts are measured before it sees them. Each bound is well below
 * what it can bear, and all three together are.
 */
const maxDepth = 32
const maxOperators = 256
const maxDots = 400
/** The schema's checker compares each name that it does not know with all that there are: these take 100 ms. */
export const maxPolicyChars: number = 64 << 10

const operators = new Set(['&', '|', '+', '-', '*'])
const words = new Set(['if', 'when', 'unless'])
const openers = '([{'
const closers = ')]}'

interface Measure {
  /** Where the policy begins. */
  readonly start: number
  depth: number
  operators: number
  dots: number
}

/** Throws `invalid` `policy-complex` where a policy is nested deeper, has more operators, or is longer than it needs to be. */
export function checkBounds({ name, text }: PolicyFile): void {
  let line = 1
  let measure: Measure = { start: 0, depth: 0, operators: 0, dots: 0 }
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at] as string
    if (sign === '\n') line += 1
    else if (sign === '"' || (sign === '/' && text[at + 1] === '/')) {
      const end = sign === '"' ? endOfString(text, at) : endOfLine(text, at)
      for (let n = at; n < end; n += 1) if (text[n] === '\n') line += 1
      at = end - 1
    } else if (/[A-Za-z_]/.test(sign)) {
      const end = endOfWord(text, at)
      if (words.has(text.slice(at, end))) measure.operators += 1
      at = end - 1
    } else if (sign === ';' && measure.depth === 0) {
      measure = { start: at, depth: 0, operators: 0, dots: 0 }
    } else {
      // `&&` and `||` are one each.
      if (operators.has(sign) && text[at + 1] !== sign) measure.operators += 1
      // `a["b"]` is `a.b` to Cedar.
      if (sign === '.' || sign === '[') measure.dots += 1
      if (openers.includes(sign)) measure.depth += 1
      if (closers.includes(sign)) measure.depth = Math.max(0, measure.depth - 1)
    }
    if (isTooMuch(measure) || at - measure.start > maxPolicyChars) {
      throw new CountersignError('invalid', `${name}:${line}: a policy is too complex`, {
        reason: 'policy-complex',
        fix: `write several policies, each with brackets at most ${maxDepth} deep, ${maxOperators} operators, ${maxDots} dots or square brackets and ${maxPolicyChars} characters`,
      })
    }
  }
}

function isTooMuch({ depth, operators, dots }: Measure): boolean {
  return depth > maxDepth || operators > maxOperators || dots > maxDots
}

/** Behind the quotation mark that ends it. */
function endOfString(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return Math.min(at + 1, text.length)
}

function endOfLine(text: string, start: number): number {
  const end = text.indexOf('\n', start)
  return end === -1 ? text.length : end
}

function endOfWord(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && /[A-Za-z0-9_]/.test(text[at] as string)) at += 1
  return at
}
