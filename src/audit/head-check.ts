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
  /** Heads of the anchor that say nothing of this trail. */
  readonly otherChains: readonly string[]
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
  /** Of the anchor, by chain. */
  readonly #anchors = new Map<string, Map<number, SignedHead>>()
  readonly #chains: Set<string>
  /** Of the last records that were looked at, each at its number modulo `remembered`: 5 MiB, whatever the trail. */
  readonly #numbers: Float64Array = new Float64Array(remembered)
  readonly #hashes: Buffer = Buffer.alloc(remembered * hashBytes)
  readonly #wrong = new Map<string, SignedHead>()
  #inTrail = 0
  #anchored = new Map<string, SignedHead[]>()
  #last: SignedHead | undefined

  /** `chains` are those that the trail is known to be, beside what its own heads say. */
  constructor(options: {
    readonly anchor?: readonly SignedHead[]
    readonly chains?: readonly string[]
    readonly keys?: readonly string[]
  }) {
    this.#keys = new HeadKeys(options.keys ?? [])
    this.#chains = new Set(options.chains)
    for (const head of options.anchor ?? []) {
      if (!this.#keys.accepts(head)) continue
      const known = this.#anchors.get(head.chain)
      const twin = known?.get(head.head.number)
      // Two words of one server on one record.
      if (twin !== undefined && twin.head.hash !== head.head.hash) this.#wrong.set(head.chain, head)
      if (known === undefined) this.#anchors.set(head.chain, new Map([[head.head.number, head]]))
      else known.set(head.head.number, head)
    }
  }

  async look(lines: readonly string[]): Promise<HeadFault | undefined> {
    for (const [at, line] of lines.entries()) {
      const head = claimedLink(line)?.head
      if (head === undefined) continue
      this.#compare(head)
      this.#remember(head)
      if (!line.includes('"kind":"trail.head"')) continue
      const kind = await this.#lookAtHead(line, head)
      if (kind !== undefined) return { kind, at }
    }
    return undefined
  }

  #compare({ number, hash }: ChainHead): void {
    for (const [chain, heads] of this.#anchors) {
      const head = heads.get(number)
      if (head === undefined) continue
      if (head.head.hash !== hash) {
        if (!this.#wrong.has(chain)) this.#wrong.set(chain, head)
      } else {
        const fitting = this.#anchored.get(chain)
        if (fitting === undefined) this.#anchored.set(chain, [head])
        else fitting.push(head)
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

  /** Of records that are not there any more there is nothing to compare with. */
  #contradicted({ number, hash }: ChainHead): boolean {
    const slot = number % remembered
    if (this.#numbers[slot] !== number) return false
    return this.#hashes.toString('hex', slot * hashBytes, (slot + 1) * hashBytes) !== hash
  }

  /** `end` is the last record of the trail. */
  report(end: ChainHead): HeadReport {
    const own = [...this.#anchors].filter(([chain]) => this.#chains.has(chain))
    const beyond = own.flatMap(([, heads]) =>
      [...heads.values()].filter(({ head }) => head.number > end.number),
    )
    const fitting = own.flatMap(([chain]) => this.#anchored.get(chain) ?? [])
    const newest = (heads: readonly SignedHead[]): SignedHead | undefined =>
      heads.reduce<SignedHead | undefined>(
        (best, one) => (best === undefined || one.head.number > best.head.number ? one : best),
        undefined,
      )
    const wrong = own.flatMap(([chain]) => this.#wrong.get(chain) ?? [])
    return {
      inTrail: this.#inTrail,
      anchored: fitting.length,
      last: newest([...(this.#last === undefined ? [] : [this.#last]), ...fitting]),
      contradicts: wrong[0] ?? newest(beyond),
      otherChains: [...this.#anchors.keys()].filter((chain) => !this.#chains.has(chain)),
      unknownKeys: this.#keys.unannounced,
    }
  }
}
