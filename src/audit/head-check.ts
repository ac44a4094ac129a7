import { type ChainFault, type ChainHead, claimedLink } from './chain.ts'
import { HeadKeys } from './head-keys.ts'
import { readSignedHead, type SignedHead } from './signed-head.ts'

/** More records than can lie between a head and the record that holds it. */
const remembered = 1 << 17
const hashBytes = 32

/** What the heads have to say of a trail, once all of it was looked at. */
export interface HeadReport {
  /** Heads that fit the trail: those that stand in it, and those of the anchor. */
  readonly inTrail: number
  readonly anchored: number
  /** The newest of all that fit: nothing before it was touched. */
  readonly last: SignedHead | undefined
  /** A head that names another record than there is, or one past the end. */
  readonly contradicts: SignedHead | undefined
  /** The newest head of each trail that the anchor has beside this one, and that nobody has named. */
  readonly otherTrails: readonly SignedHead[]
  readonly unknownKeys: readonly string[]
}

/** A record that does not fit what was signed; `at` counts from 0 in the lines that were given. */
export interface HeadFault {
  readonly kind: ChainFault
  readonly at: number
}

/** Holds lines that are known to be whole and in place against signed heads. */
export class HeadCheck {
  readonly #keys: HeadKeys
  /** Of the anchor, by chain and number. By whom they are, is known at the end: the trail may announce their keys. */
  readonly #anchors = new Map<string, Map<number, SignedHead[]>>()
  #waiting: readonly SignedHead[]
  readonly #accepted = new Set<SignedHead>()
  readonly #chains: Set<string>
  readonly #otherChains: ReadonlySet<string>
  /** Of the last records that were looked at, each at its number modulo `remembered`: 5 MiB, whatever the trail. */
  readonly #numbers: Float64Array = new Float64Array(remembered)
  readonly #hashes: Buffer = Buffer.alloc(remembered * hashBytes)
  /** Number of the first record that was looked at. */
  #first: number | undefined
  /** Of the anchor, whether they fit the trail. */
  readonly #fitting: SignedHead[] = []
  readonly #differing: SignedHead[] = []
  #inTrail = 0
  #last: SignedHead | undefined

  /** `chains` are those that the trail is known to be, beside what its own heads say; `otherChains` the anchor may have too. */
  constructor(options: {
    readonly anchor?: readonly SignedHead[]
    readonly chains?: readonly string[]
    readonly otherChains?: readonly string[]
    readonly keys?: readonly string[]
  }) {
    this.#keys = new HeadKeys(options.keys ?? [])
    this.#chains = new Set(options.chains)
    this.#otherChains = new Set(options.otherChains)
    this.#waiting = options.anchor ?? []
    for (const head of this.#waiting) {
      const known = this.#anchors.get(head.chain) ?? new Map<number, SignedHead[]>()
      this.#anchors.set(head.chain, known)
      const twins = known.get(head.head.number)
      if (twins === undefined) known.set(head.head.number, [head])
      else twins.push(head)
    }
    this.#accept()
  }

  /** The keys of some may be announced by others that stand behind them. */
  #accept(): void {
    for (let before = Infinity; this.#waiting.length < before; ) {
      before = this.#waiting.length
      this.#waiting = this.#waiting.filter((head) => {
        const isGood = this.#keys.accepts(head)
        if (isGood) this.#accepted.add(head)
        return !isGood
      })
    }
  }

  async look(lines: readonly string[]): Promise<HeadFault | undefined> {
    for (const [at, line] of lines.entries()) {
      const head = claimedLink(line)?.head
      if (head === undefined) continue
      this.#first ??= head.number
      this.#compare(head)
      this.#remember(head)
      if (!line.includes('"kind":"trail.head"')) continue
      const kind = await this.#lookAtHead(line, head)
      if (kind !== undefined) return { kind, at }
    }
    return undefined
  }

  #compare({ number, hash }: ChainHead): void {
    for (const heads of this.#anchors.values()) {
      for (const one of heads.get(number) ?? []) {
        const list = one.head.hash === hash ? this.#fitting : this.#differing
        list.push(one)
      }
    }
  }

  async #lookAtHead(line: string, { number }: ChainHead): Promise<ChainFault | undefined> {
    const { signedHead }: { readonly signedHead?: unknown } = JSON.parse(line)
    const said = typeof signedHead === 'string' ? await readSignedHead(signedHead) : undefined
    if (said === undefined) return 'head-signature'
    if (said.head.number >= number) return 'head-differs'
    if (this.#contradicted(said.head)) return 'head-differs'
    if (!this.#keys.accepts(said)) return 'head-key'
    this.#chains.add(said.chain)
    this.#inTrail += 1
    this.#last = said
    return undefined
  }

  #remember({ number, hash }: ChainHead): void {
    const slot = number % remembered
    this.#numbers[slot] = number
    this.#hashes.write(hash, slot * hashBytes, 'hex')
  }

  /**
   * Of records that are not there any more there is nothing to compare with. A head that stands too far behind its record was
   * put there by somebody who hopes that nobody remembers what that was.
   */
  #contradicted({ number, hash }: ChainHead): boolean {
    const slot = number % remembered
    if (this.#numbers[slot] !== number) return number >= (this.#first ?? 0)
    return this.#hashes.toString('hex', slot * hashBytes, (slot + 1) * hashBytes) !== hash
  }

  /** `end` is the last record of the trail. */
  report(end: ChainHead): HeadReport {
    this.#accept()
    const isOwn = (one: SignedHead): boolean =>
      this.#accepted.has(one) && this.#chains.has(one.chain)
    const fitting = this.#fitting.filter(isOwn)
    const beyond = [...this.#accepted].filter((one) => isOwn(one) && one.head.number > end.number)
    return {
      inTrail: this.#inTrail,
      anchored: fitting.length,
      last: newest([...(this.#last === undefined ? [] : [this.#last]), ...fitting]),
      contradicts: this.#differing.find(isOwn) ?? this.#twinOf(isOwn) ?? newest(beyond),
      otherTrails: this.#otherTrails(),
      unknownKeys: this.#keys.unannounced,
    }
  }

  /** Whoever takes a trail away and lets the server begin another one leaves these. */
  #otherTrails(): readonly SignedHead[] {
    const others = [...this.#accepted].filter(
      ({ chain }) => !this.#chains.has(chain) && !this.#otherChains.has(chain),
    )
    return [...Map.groupBy(others, ({ chain }) => chain).values()].flatMap(
      (heads) => newest(heads) ?? [],
    )
  }

  /** One of two words of one server on one record. */
  #twinOf(isOwn: (head: SignedHead) => boolean): SignedHead | undefined {
    for (const heads of this.#anchors.values()) {
      for (const all of heads.values()) {
        const [first, ...others] = all.filter(isOwn)
        const twin = others.find(({ head }) => head.hash !== first?.head.hash)
        if (twin !== undefined) return twin
      }
    }
    return undefined
  }
}

function newest(heads: readonly SignedHead[]): SignedHead | undefined {
  return heads.reduce<SignedHead | undefined>(
    (best, one) => (best === undefined || one.head.number > best.head.number ? one : best),
    undefined,
  )
}
