import type { Meeting } from './party.ts'

/** What came of one connection. */
export interface Outcome {
  /** `CLIENT→SERVER`: their languages. */
  readonly pair: string
  readonly from: string
  readonly to: string
  /** When it was begun, in milliseconds since the run began. */
  readonly beganMs: number
  readonly result: Meeting | Error
}

interface PairCounts {
  ok: number
  failed: number
}

export interface Report {
  readonly connections: number
  readonly perSecond: number
  readonly pairs: Readonly<Record<string, PairCounts>>
  readonly failedBeforeRevoke: number
  readonly failedAfterRevoke: number
  /** Connections with one who showed the revoked authority, begun later than `graceMs` after the revoke. */
  readonly shownRevoked: number
  /** Of the one that keeps its SVID: let in and refused, while it was good and when it was not any more. */
  readonly stuck: { readonly [when in 'before' | 'after']: { ok: number; refused: number } }
}

/** Counts what comes of connections, and keeps the first failures for whoever reads the report. */
export class Tally {
  readonly failures: string[] = []
  readonly #pairs: Record<string, PairCounts> = {}
  readonly #shows = new Map<string, string>()
  readonly #stuck = { before: { ok: 0, refused: 0 }, after: { ok: 0, refused: 0 } }
  readonly #failed = { before: 0, after: 0 }
  readonly #graceMs: number
  #revoked: { readonly authority: string; readonly atMs: number } | undefined
  #connections = 0
  #shownRevoked = 0

  constructor(graceMs: number) {
    this.#graceMs = graceMs
  }

  /** From now on nobody may show this authority. */
  revoke(authority: string, atMs: number): void {
    this.#revoked = { authority, atMs }
  }

  /** The authority that signed what each service last showed. */
  get shows(): ReadonlyMap<string, string> {
    return this.#shows
  }

  add({ pair, from, to, beganMs, result }: Outcome): void {
    this.#connections++
    this.#pairs[pair] ??= { ok: 0, failed: 0 }
    const counts = this.#pairs[pair]
    const wrong = result instanceof Error ? result.message : mixedUp(result, from, to)
    if (wrong !== undefined || result instanceof Error) {
      counts.failed++
      this.#failed[this.#revoked === undefined ? 'before' : 'after']++
      this.#keep(`${pair} ${from} to ${to}, begun at ${beganMs} ms: ${wrong}`)
      return
    }
    counts.ok++
    this.#shows.set(from, result.seenAuthority)
    this.#shows.set(to, result.peerAuthority)
    if (this.#isTooLate(beganMs) && this.#showsRevoked(result)) {
      this.#shownRevoked++
      this.#keep(
        `${pair} ${from} to ${to}, begun at ${beganMs} ms: one of them shows what was revoked`,
      )
    }
  }

  /** A connection to or from the one that keeps its SVID. */
  addStuck({ pair, from, to, result }: Outcome): void {
    const when = this.#revoked === undefined ? 'before' : 'after'
    const refused = result instanceof Error
    this.#stuck[when][refused ? 'refused' : 'ok']++
    if (refused === (when === 'after')) return
    const what = refused ? `refused: ${result.message}` : 'let in'
    this.#keep(`${pair} ${from} to ${to}, ${when} the revocation: ${what}`)
  }

  report(elapsedMs: number): Report {
    return {
      connections: this.#connections,
      perSecond: Math.round(this.#connections / (elapsedMs / 1000)),
      pairs: this.#pairs,
      failedBeforeRevoke: this.#failed.before,
      failedAfterRevoke: this.#failed.after,
      shownRevoked: this.#shownRevoked,
      stuck: this.#stuck,
    }
  }

  #isTooLate(beganMs: number): boolean {
    return this.#revoked !== undefined && beganMs > this.#revoked.atMs + this.#graceMs
  }

  #showsRevoked({ peerAuthority, seenAuthority }: Meeting): boolean {
    const authority = this.#revoked?.authority
    return peerAuthority === authority || seenAuthority === authority
  }

  #keep(failure: string): void {
    if (this.failures.length < 20) this.failures.push(failure)
  }
}

function mixedUp({ peer, seenAs }: Meeting, from: string, to: string): string | undefined {
  return peer === to && seenAs === from ? undefined : `${peer} answered, who took it for ${seenAs}`
}

/** Nobody failed; and whoever kept what was revoked was let in by all before, and by none after it. */
export function isClean(report: Report): boolean {
  const { failedBeforeRevoke, failedAfterRevoke, shownRevoked, stuck } = report
  const wrong =
    failedBeforeRevoke + failedAfterRevoke + shownRevoked + stuck.before.refused + stuck.after.ok
  return wrong === 0 && stuck.before.ok > 0 && stuck.after.refused > 0
}
