import type { FileHandle } from 'node:fs/promises'
import { type ChainFault, type ChainHead, chainStart, claimedLink, verify } from './chain.ts'
import { HeadCheck, type HeadReport } from './head-check.ts'
import { maxLineBytes, type OpenFile, openFiles, readLines } from './trail-files.ts'

export interface TrailVerdict {
  readonly files: number
  /** Records that are whole and in place, from the first on. */
  readonly verified: number
  /** The record before the first that was found: its own is to be had from older files only. */
  readonly from: ChainHead
  /** The last record that is whole and in place. */
  readonly head: ChainHead
  /** Bytes after the last whole line, which a crash or a write that goes on leaves. */
  readonly unfinished: number
  /** `line` counts from 1 in `file`. */
  readonly fault:
    | { readonly kind: ChainFault; readonly file: string; readonly line: number }
    | undefined
  /** Undefined where the trail was not whole. */
  readonly heads: HeadReport | undefined
}

export interface VerifyOptions {
  readonly heads?: HeadCheck | undefined
  /** Full files that were moved away, and trails that go on in this one; in order, oldest first. */
  readonly older?: readonly string[] | undefined
  /** Number of the record that it begins with, where those before were moved away on purpose. Default 1. */
  readonly first?: number | undefined
  /** The last record, as known from elsewhere. */
  readonly expected?: ChainHead | undefined
  readonly signal?: AbortSignal
}

/**
 * Checks a trail's file and the full ones beside it, oldest first, up to the first fault. A cut-off
 * end is found only where `expected` names the last record, such as from the copy in the store, or the heads
 * an anchor; a cut-off front always, but for what `first` allows. Throws what the file system throws, and the signal's reason.
 */
export async function verifyFiles(
  path: string,
  { heads = new HeadCheck({}), older = [], first = 1, expected, signal }: VerifyOptions = {},
): Promise<TrailVerdict> {
  let from: ChainHead | undefined
  let firstFile = path
  let head = chainStart
  let files = 0
  let verified = 0
  let inLast = 0
  let unfinished = 0
  for await (const file of filesOf([...older, path])) {
    files += 1
    if (from === undefined) {
      from = await beforeFirst(file.handle)
      head = from ?? chainStart
      firstFile = file.path
    }
    const found = await verifyFile(file.handle, head, heads, signal)
    inLast = found.verified
    verified += inLast
    head = found.head
    unfinished = found.unfinished
    const whole = unfinished === 0 || (file.isLast && unfinished <= maxLineBytes)
    const kind = found.fault ?? (whole ? undefined : 'line-changed')
    if (kind === undefined) continue
    return {
      ...{ files, verified, from: from ?? chainStart, head, unfinished: 0 },
      fault: { kind, file: file.path, line: inLast + 1 },
      heads: undefined,
    }
  }
  const differs =
    expected !== undefined && (expected.number !== head.number || expected.hash !== head.hash)
  const report = heads.report(head)
  const kind = differs ? 'end-differs' : contradiction(report, head)
  const { number: before } = from ?? chainStart
  const fault =
    kind !== undefined
      ? { kind, file: path, line: inLast }
      : before + 1 === first
        ? undefined
        : { kind: 'front-missing' as const, file: firstFile, line: 1 }
  return {
    ...{ files, verified, from: from ?? chainStart, head, unfinished },
    ...{ fault, heads: report },
  }
}

async function* filesOf(paths: readonly string[]): AsyncGenerator<OpenFile> {
  for (const path of paths) {
    for await (const file of openFiles(path)) {
      yield { ...file, isLast: file.isLast && path === paths.at(-1) }
    }
  }
}

function contradiction({ contradicts }: HeadReport, end: ChainHead): ChainFault | undefined {
  if (contradicts === undefined) return undefined
  return contradicts.head.number > end.number ? 'head-beyond' : 'head-differs'
}

async function beforeFirst(file: FileHandle): Promise<ChainHead | undefined> {
  for await (const [first] of readLines(file, 0)) {
    const link = first === undefined ? undefined : claimedLink(first.text)
    return link === undefined ? chainStart : { number: link.head.number - 1, hash: link.previous }
  }
  return undefined
}

async function verifyFile(
  file: FileHandle,
  from: ChainHead,
  heads: HeadCheck,
  signal: AbortSignal | undefined,
): Promise<{
  verified: number
  head: ChainHead
  unfinished: number
  fault: ChainFault | undefined
}> {
  let head = from
  let verified = 0
  let end = 0
  // Before it is read: what is written meanwhile is not what its end lacks.
  const { size } = await file.stat()
  for await (const lines of readLines(file, 0)) {
    signal?.throwIfAborted()
    const texts = lines.map(({ text }) => text)
    const verdict = verify(texts, { from: head })
    verified += verdict.verified
    head = verdict.head
    if (verdict.fault !== undefined) {
      return { verified, head, unfinished: 0, fault: verdict.fault.kind }
    }
    const fault = await heads.look(texts)
    if (fault !== undefined) {
      verified += fault.at - texts.length
      return { verified, head, unfinished: 0, fault: fault.kind }
    }
    end = lines.at(-1)?.end ?? end
  }
  return { verified, head, unfinished: Math.max(0, size - end), fault: undefined }
}
