import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { CountersignError } from '../../../src/errors.ts'
import { buildGo } from '../languages.ts'

/** What one side makes of an input: what it accepted, in one spelling of both sides, or why not. */
export type Verdict =
  | { readonly accepted: unknown }
  | { readonly refused: string; readonly message: string }

/** One line for `go/cmd/verdicts`. */
export type Question =
  | {
      readonly kind: 'trust' | 'id' | 'domain' | 'path' | 'token' | 'bundle' | 'jwks'
      readonly text: string
    }
  | {
      readonly kind: 'parse' | 'verify'
      /** Base64. */
      readonly chain: string
      readonly key?: string
      readonly now?: string
    }

/** go-spiffe in a process of its own, which answers one question after the other. */
export interface GoVerdicts {
  ask(question: Question): Promise<Verdict>
  close(): void
}

export async function startGoVerdicts(): Promise<GoVerdicts> {
  const child = spawn(await buildGo('verdicts'), { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    async ask(question) {
      child.stdin.write(`${JSON.stringify(question)}\n`)
      const { value, done } = await lines.next()
      if (done === true) throw new Error(`go-spiffe ended at ${JSON.stringify(question)}`)
      const answer = JSON.parse(value) as { accepted?: unknown; refused?: string }
      return answer.refused === undefined
        ? { accepted: answer.accepted }
        : { refused: 'go-spiffe', message: answer.refused }
    },
    close() {
      child.stdin.end()
    },
  }
}

/** Our own verdict; whatever is thrown that is no CountersignError is a bug, and passes through. */
export async function verdictOf(attempt: () => unknown): Promise<Verdict> {
  try {
    return { accepted: await attempt() }
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    return { refused: error.reason, message: error.message }
  }
}
