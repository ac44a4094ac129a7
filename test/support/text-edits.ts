import fc from 'fast-check'
import { share } from './share.ts'

/** One change of a text: at a share of its length, something taken out and something put in. */
export interface TextEdit {
  readonly at: number
  readonly out: number
  readonly in: string
}

/** One to three changes that put in pieces of `alphabet`, or take something out. */
export function textEdits(alphabet: readonly string[]): fc.Arbitrary<TextEdit[]> {
  const edit = fc.record({
    at: share,
    out: fc.nat({ max: 2 }),
    in: fc.oneof(
      { weight: 1, arbitrary: fc.constant('') },
      { weight: 4, arbitrary: fc.constantFrom(...alphabet) },
    ),
  })
  return fc.array(edit, { minLength: 1, maxLength: 3 })
}

export function withTextEdits(text: string, edits: readonly TextEdit[]): string {
  return edits.reduce((now, edit) => {
    const at = Math.floor(edit.at * (now.length + 1))
    return now.slice(0, at) + edit.in + now.slice(at + edit.out)
  }, text)
}

/** Texts as they come half of the time, otherwise with a few changes. */
export function editedText(
  texts: fc.Arbitrary<string>,
  alphabet: readonly string[],
): fc.Arbitrary<string> {
  return fc.oneof(
    texts,
    fc.tuple(texts, textEdits(alphabet)).map(([text, edits]) => withTextEdits(text, edits)),
  )
}
