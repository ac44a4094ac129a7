import type { TLSSocket } from 'node:tls'
import { CountersignError } from '../errors.ts'
import type { Clock } from '../runtime/clock.ts'
import { holdsStill, type VerifiedX509Svid, type X509Svid } from '../svid/x509-svid.ts'
import { currentSvid, type IdentitySource } from './identity-source.ts'

const sweepMs = 1000
/** Before its end a connection takes nothing new on, where its protocol can say so: half of its time at the most. */
const retirementMs = 30_000

/** How near a connection is to its end. */
export interface Retirement {
  /** Whether it is so near that nothing more should begin on it. */
  readonly isRetiring: () => boolean
  /** Calls back once when that is so, within a second; never where it ends before. */
  readonly onRetiring: (listener: () => void) => void
}

interface Tenure {
  /** When the first of the SVIDs, and of the authorities over the peer's, ends. */
  readonly untilMs: number
  readonly retiresMs: number
  /** Who waits to be told that it retires; taken out as they are. */
  readonly waiting: (() => void)[]
  readonly peer: VerifiedX509Svid
}

/**
 * The open connections of one source. Each ends by the time that its own SVID does or its peer's (T27),
 * at the update that takes the peer's authority out of its bundle or revokes it, and when the source
 * has no identity any more.
 */
class Tenures {
  readonly #source: IdentitySource
  readonly #clock: Clock
  readonly #open = new Map<TLSSocket, Tenure>()
  #stop: (() => void) | undefined

  constructor(source: IdentitySource, clock: Clock) {
    this.#source = source
    this.#clock = clock
  }

  /** Throws where it has ended by now. */
  begin(socket: TLSSocket, own: X509Svid, peer: VerifiedX509Svid): Retirement {
    // The source may have said otherwise during the handshake, and tells no change twice.
    if (socket.destroyed || !this.#stillCounts()(peer)) {
      socket.destroy()
      throw outlived()
    }
    const ends = [own.expiresAt, ...peer.path.map(({ notAfter }) => notAfter)]
    const untilMs = Math.min(...ends.map((end) => end.getTime()))
    const leftMs = untilMs - this.#clock.now().getTime()
    const retiresMs = untilMs - Math.min(retirementMs, leftMs / 2)
    const waiting: (() => void)[] = []
    this.#open.set(socket, { untilMs, retiresMs, waiting, peer })
    socket.once('close', () => {
      this.#open.delete(socket)
      if (this.#open.size > 0) return
      this.#stop?.()
      this.#stop = undefined
    })
    this.#stop ??= this.#start()
    return {
      isRetiring: () => this.#clock.now().getTime() >= retiresMs,
      onRetiring: (listener) => void waiting.push(listener),
    }
  }

  #start(): () => void {
    const sweeping = new AbortController()
    const stopUpdates = this.#source.onUpdate(() => this.#review())
    this.#sweep(sweeping.signal).catch(() => {})
    return () => {
      sweeping.abort()
      stopUpdates()
    }
  }

  async #sweep(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#clock.sleep(sweepMs, signal)
      // None is left to the next sweep that would be over by then.
      const nextMs = this.#clock.now().getTime() + sweepMs
      this.#end(({ untilMs }) => untilMs <= nextMs)
      for (const { retiresMs, waiting } of this.#open.values()) {
        if (retiresMs <= nextMs) for (const tell of waiting.splice(0)) tell()
      }
    }
  }

  #review(): void {
    const counts = this.#stillCounts()
    this.#end(({ peer }) => !counts(peer))
  }

  #stillCounts(): (peer: VerifiedX509Svid) => boolean {
    const now = this.#clock.now()
    const withdrawn = currentSvid(this.#source) === undefined
    return (peer) => !withdrawn && holdsStill(peer, this.#source, now)
  }

  #end(which: (tenure: Tenure) => boolean): void {
    for (const [socket, tenure] of this.#open) {
      if (which(tenure)) socket.destroy(outlived())
    }
  }
}

function outlived(): CountersignError {
  return new CountersignError('unavailable', 'an SVID of this connection counts no more', {
    reason: 'connection-outlived',
  })
}

const tenures = new WeakMap<IdentitySource, Tenures>()

/**
 * Ends the connection by the time that it has to; the result tells when that is near. The first clock
 * of a source is used for all. Throws `unavailable`, `connection-outlived`, where that time has come already.
 */
export function beginTenure(
  socket: TLSSocket,
  source: IdentitySource,
  parties: { readonly own: X509Svid; readonly peer: VerifiedX509Svid },
  clock: Clock,
): Retirement {
  const ofSource = tenures.get(source) ?? new Tenures(source, clock)
  tenures.set(source, ofSource)
  return ofSource.begin(socket, parties.own, parties.peer)
}
