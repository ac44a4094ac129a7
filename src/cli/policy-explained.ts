import type { Io } from './io.ts'
import { type OutputFormat, printable, printJson } from './output.ts'

/** Why a question is decided as it is: one answer an entry that carries the ID. As `-o json` prints it. */
export interface Explained {
  /** SHA-256 of the policies. */
  readonly revision: string
  readonly answers: readonly ExplainedAnswer[]
}

export interface ExplainedAnswer {
  /** null: of an entry that was described by flags, and of an operator. */
  readonly entryId: string | null
  readonly owner: string
  readonly allowed: boolean
  readonly reason: string
  readonly deciding: readonly ExplainedPolicy[]
  /** What would permit it if `missing` were so. */
  readonly nearest: readonly (ExplainedPolicy & { readonly missing: readonly string[] })[]
}

interface ExplainedPolicy {
  readonly id: string
  readonly place: string
  readonly text: string
}

export function printExplained(io: Io, output: OutputFormat, explained: Explained): void {
  if (output === 'json') {
    printJson(io, explained)
    return
  }
  for (const answer of explained.answers) io.write(`${linesOf(answer).map(printable).join('\n')}\n`)
}

function linesOf(answer: ExplainedAnswer): readonly string[] {
  const { entryId, owner, allowed, reason, deciding, nearest } = answer
  const whose = entryId === null ? '' : ` for entry ${entryId}${owner && ` of ${owner}`}`
  return [
    `${allowed ? 'yes' : 'no'}${whose}: ${reason}`,
    ...(reason === 'entry-disabled'
      ? [`  nobody gets anything by it until: countersign entry enable --id ${entryId}`]
      : []),
    ...deciding.flatMap(({ id, place, text }) => [
      `  ${id} (${place})`,
      ...text.split('\n').map((line) => `    ${line}`),
    ]),
    ...nearest.flatMap(({ id, place, missing }) => [
      `  ${id} (${place}) would permit it, but not so is`,
      ...missing.map((part) => `    ${part.replaceAll('\n', ' ')}`),
    ]),
  ]
}
