import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { claimedLink } from '../../src/audit/chain.ts'
import { HeadCheck } from '../../src/audit/head-check.ts'
import { readSignedHead, type SignedHead } from '../../src/audit/signed-head.ts'
import { verifyFiles } from '../../src/audit/verify-files.ts'
import { CountersignError } from '../../src/errors.ts'
import { share } from '../support/share.ts'
import { chained, chainName, makeHeadKey, recordIn, TrailText } from '../support/signed-trail.ts'
import { textEdits, withTextEdits } from '../support/text-edits.ts'
import { withTextBytes } from './bytes.ts'
import type { Parser } from './target.ts'

/** What whoever holds no key can do to lines: `at` and `from` are shares of them. */
const lineEdit = fc.record({
  at: share,
  from: share,
  what: fc.constantFrom('drop', 'drop', 'twice', 'move', 'copy', 'cut-end', 'cut-start', 'text'),
  text: textEdits([
    ...['"', ',', '{', '}', ' ', '0', '9', 'a', '\\u006e', '"n":1,', ',"n":3', '"v":2,', '\r'],
    ...['"kind":"trail.head"', '"hash":"', ',"prev":"', '"signedHead":"x"', '"other"'],
  ]),
})
/** Whether the chain is made whole again, with which numbers; whether an anchor is there. */
const flags = fc.nat({ max: 7 })

/**
 * Trails that were tampered with, and written anew with hashes that fit: what `audit verify` says is signed is as it was
 * written.
 */
export async function trailParser(): Promise<Parser> {
  const folder = mkdtempSync(join(tmpdir(), 'cs-fuzz-'))
  const path = join(folder, 'audit.log')
  const [key, second] = [makeHeadKey(), makeHeadKey()]
  const trail = new TrailText().add('a', 'b')
  const anchor: SignedHead[] = []
  const sign = async (by: typeof key, next: readonly string[] = []): Promise<void> => {
    const head = await readSignedHead(await trail.sign(by, { next }))
    if (head !== undefined) anchor.push(head)
  }
  await sign(key, [second.sha256])
  await sign(trail.add('c', 'd', 'e') && second)
  await sign(trail.add('f') && second)
  trail.add('g', 'h')
  const { lines } = trail
  const texts = fc
    .tuple(flags, fc.array(lineEdit, { maxLength: 3 }))
    .map(([how, edits]) => [String(how), ...edits.reduce(editedLines, lines)].join('\n'))
  return {
    inputs: withTextBytes(texts),
    close: () => rmSync(folder, { recursive: true }),
    async take(input) {
      const [how = '', ...given] = Buffer.from(input).toString('latin1').split('\n')
      const bits = Number(how) || 0
      const shown = (bits & 1) === 0 ? given : writtenAnew(given, (bits & 2) !== 0)
      writeFileSync(path, shown.map((line) => `${line}\n`).join(''), 'latin1')
      const heads = new HeadCheck({
        ...{ keys: [key.sha256], chains: [chainName] },
        anchor: (bits & 4) === 0 ? [] : anchor,
      })
      const first = claimedLink(shown[0] ?? '')?.head.number
      const verdict = await verifyFiles(path, { heads, first })
      if (verdict.fault !== undefined) {
        throw new CountersignError('invalid', verdict.fault.kind, { reason: verdict.fault.kind })
      }
      const { number: from } = verdict.from
      const last = verdict.heads?.last?.head.number ?? 0
      const anchored = Math.max(...anchor.map(({ head }) => head.number))
      const signed = (bits & 4) === 0 ? last : anchored
      if (verdict.head.number < signed) throw new Error('its end was cut off')
      for (let n = from + 1; n <= signed; n++) {
        if (shown[n - 1 - from] !== lines[n - 1]) throw new Error(`record ${n} is another one`)
      }
    },
  }
}

type LineEdit = typeof lineEdit extends fc.Arbitrary<infer T> ? T : never

function editedLines(before: readonly string[], edit: LineEdit): string[] {
  const lines = before.length === 0 ? [''] : [...before]
  const at = Math.floor(edit.at * lines.length)
  const from = Math.floor(edit.from * lines.length)
  const [one = '', other = ''] = [lines[at], lines[from]]
  switch (edit.what) {
    case 'drop':
      return lines.toSpliced(at, 1)
    case 'twice':
      return lines.toSpliced(at, 0, one)
    case 'move':
      return lines.toSpliced(from, 1).toSpliced(at, 0, other)
    case 'copy':
      return lines.with(at, other)
    case 'cut-end':
      return lines.slice(0, at)
    case 'cut-start':
      return lines.slice(at)
    default:
      return lines.with(at, withTextEdits(one, edit.text))
  }
}

/** By whoever knows how, but has no key. */
function writtenAnew(lines: readonly string[], withTwoNumbers: boolean): string[] {
  const records = lines.map((line) => recordIn(line) ?? line)
  return withTwoNumbers
    ? chained(records, (n) => (n === 1 ? '"n":1' : `"n":${n + 1000},"n":${n}`))
    : chained(records)
}
