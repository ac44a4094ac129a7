import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import type { Cache } from './cache.ts'
import type { JwtCache } from './jwt.ts'
import type { SealedAbout, SealedCache } from './sealed.ts'
import type { Snapshot } from './snapshot.ts'
import { Wake } from './wake.ts'

export interface SealerDeps {
  readonly sealed: SealedCache
  readonly cache: Cache
  readonly jwt: JwtCache
  /** Undefined while nothing may be kept: no identity, no contact yet, banned. */
  readonly about: () => SealedAbout | undefined
  readonly clock: Clock
  readonly log: Log
}

/** Changes that come together are written together. */
const settleMs = 500
/** No write begins sooner than this after the one before ended, nor before twenty times as long as it took. */
const leastRestMs = 2000
const restPerWork = 20
const mostRestMs = 30_000
/** How old the time of the last contact on file, and the JWT-SVIDs beside it, may get while nothing else changes. */
const contactMs = 60_000

/** Writes the sealed cache behind what changes, at a bounded rate. */
export class Sealer {
  readonly #deps: SealerDeps
  readonly #wake: Wake
  #writing: Promise<void> = Promise.resolve()
  #dirty = false
  #savedContact: Date | undefined

  constructor(deps: SealerDeps) {
    this.#deps = deps
    this.#wake = new Wake(deps.clock)
  }

  /** Nothing of what was kept is left, nor comes back by a write that was under way. */
  erase(): Promise<void> {
    this.#dirty = false
    // After a write that is under way, before any other.
    const erased = this.#writing.then(async () => {
      await this.#deps.sealed.erase()
      this.#savedContact = undefined
    })
    this.#writing = erased.catch(() => undefined)
    return erased
  }

  async run(signal: AbortSignal): Promise<void> {
    const { cache, clock } = this.#deps
    let tainted = taintedIn(cache.snapshot)
    const ignore = cache.listen((event) => {
      if (event !== 'snapshot') return
      const now = taintedIn(cache.snapshot)
      if (now !== tainted) this.#eraseTainted()
      tainted = now
      this.#dirty = true
      this.#wake.set()
    })
    try {
      while (!signal.aborted) {
        await this.#wake.wait(contactMs, signal)
        await clock.sleep(settleMs, signal)
        const beganMs = clock.monotonicMs()
        await this.#write()
        const restMs = restPerWork * (clock.monotonicMs() - beganMs)
        await clock.sleep(Math.min(Math.max(restMs, leastRestMs), mostRestMs), signal)
      }
    } finally {
      ignore()
      // What changed last is what the next start wants most.
      await this.#write()
    }
  }

  /** What a tainted authority has signed does not lie about until the next write. */
  #eraseTainted(): void {
    this.erase().catch((error: unknown) => {
      this.#deps.log.warn('the sealed cache could not be erased', { error })
    })
  }

  #write(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#writeOnce())
    return this.#writing
  }

  async #writeOnce(): Promise<void> {
    const { sealed, cache, jwt, about, log } = this.#deps
    const now = about()
    if (now === undefined || (!this.#dirty && now.lastContact === this.#savedContact)) return
    this.#dirty = false
    try {
      await sealed.save(now, { snapshot: cache.snapshot, tokens: jwt.records() })
      this.#savedContact = now.lastContact
    } catch (error) {
      this.#dirty = true
      log.warn('the sealed cache could not be written', { error })
    }
    // Erased meanwhile: what was written is of before.
    if (about() === undefined) await sealed.erase()
  }
}

// Bundles are replaced, never edited.
const taintedOf = new WeakMap<Snapshot['bundles'], string>()

/** One string for the tainted authorities of all bundles. */
function taintedIn({ bundles }: Snapshot): string {
  let text = taintedOf.get(bundles)
  if (text === undefined) {
    const keys = [...bundles.values()].flatMap(({ x509Authorities, jwtAuthorities }) => [
      ...x509Authorities.flatMap((a) => (a.tainted ? [a.certificate.toString('base64')] : [])),
      ...jwtAuthorities.flatMap((a) => (a.tainted ? [a.keyId] : [])),
    ])
    text = keys.sort().join(' ')
    taintedOf.set(bundles, text)
  }
  return text
}
