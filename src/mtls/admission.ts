interface Guest {
  readonly address: string
  /** What it has sent. */
  readonly bytes: number
  destroy(): void
}

/**
 * How many connections there may be at a time: in all, from one address, and with an unfinished
 * handshake. An address beyond its share is turned away; where handshakes pile up, the oldest gives
 * way, so that silent connections do not shut out those that come after them.
 */
export class Admission {
  readonly #maxConnections: number
  readonly #maxPerAddress: number
  readonly #maxHandshakes: number
  readonly #guests = new Set<Guest>()
  readonly #handshakes = new Set<Guest>()
  readonly #perAddress = new Map<string, number>()

  constructor(limits: {
    readonly maxConnections: number
    readonly maxConnectionsPerAddress: number
    readonly maxHandshakes: number
  }) {
    this.#maxConnections = limits.maxConnections
    this.#maxPerAddress = limits.maxConnectionsPerAddress
    this.#maxHandshakes = limits.maxHandshakes
  }

  get size(): number {
    return this.#guests.size
  }

  enter(guest: Guest): boolean {
    const ofAddress = this.#perAddress.get(guest.address) ?? 0
    if (this.#guests.size >= this.#maxConnections || ofAddress >= this.#maxPerAddress) return false
    this.#perAddress.set(guest.address, ofAddress + 1)
    this.#guests.add(guest)
    this.#handshakes.add(guest)
    if (this.#handshakes.size > this.#maxHandshakes) {
      const [oldest] = this.#handshakes
      if (oldest !== undefined) this.#handshakes.delete(oldest)
      oldest?.destroy()
    }
    return true
  }

  get handshakes(): number {
    return this.#handshakes.size
  }

  /** Where unfinished handshakes have sent more than this together, those with the most give way. */
  bound(maxBytes: number): void {
    let bytes = 0
    for (const guest of this.#handshakes) bytes += guest.bytes
    if (bytes <= maxBytes) return
    for (const guest of [...this.#handshakes].sort((a, b) => b.bytes - a.bytes)) {
      bytes -= guest.bytes
      this.#handshakes.delete(guest)
      guest.destroy()
      if (bytes <= maxBytes) return
    }
  }

  /** The handshake is over; false where the guest had to give way meanwhile. */
  verified(guest: Guest): boolean {
    return this.#handshakes.delete(guest)
  }

  leave(guest: Guest): void {
    if (!this.#guests.delete(guest)) return
    this.#handshakes.delete(guest)
    const left = (this.#perAddress.get(guest.address) ?? 1) - 1
    if (left === 0) this.#perAddress.delete(guest.address)
    else this.#perAddress.set(guest.address, left)
  }

  destroyAll(): void {
    for (const guest of this.#guests) guest.destroy()
  }
}

/**
 * What counts as one address: an IPv4 address, or the /64 of an IPv6 address, since whoever has one
 * address of such a network has them all.
 */
export function addressShare(address: string): string {
  if (!address.includes(':')) return address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped?.[1] !== undefined) return mapped[1]
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(8 - before.length - after.length, 0)
  return [...before, ...Array<string>(zeros).fill('0'), ...after].slice(0, 4).join(':')
}
