import type { RpcChannel } from '../../src/rpc/dial.ts'
import type { HostPort } from '../../src/runtime/config-value.ts'

export interface ConnectionDeps {
  readonly addresses: readonly HostPort[]
  readonly dial: (address: HostPort) => RpcChannel
}

/**
 * The one connection to a server. It is replaced as a whole: when the agent's SVID changes, so that
 * the new one is shown, and when the server fails, so that the next address gets its turn.
 */
export class ServerConnection {
  readonly #deps: ConnectionDeps
  #at = 0
  #open: { readonly channel: RpcChannel; readonly over: AbortController } | undefined

  constructor(deps: ConnectionDeps) {
    this.#deps = deps
  }

  get channel(): RpcChannel {
    return this.#current().channel
  }

  /** Aborts when this connection is given up. */
  get signal(): AbortSignal {
    return this.#current().over.signal
  }

  /** The next use dials anew. */
  replace(): void {
    const open = this.#open
    this.#open = undefined
    open?.over.abort(new DOMException('replaced', 'AbortError'))
    open?.channel.close()
  }

  /** The next use dials the next address. */
  failOver(): void {
    if (this.#deps.addresses.length < 2) return
    this.#at += 1
    this.replace()
  }

  close(): void {
    this.replace()
  }

  #current(): { readonly channel: RpcChannel; readonly over: AbortController } {
    if (this.#open === undefined) {
      const { addresses, dial } = this.#deps
      const address = addresses[this.#at % addresses.length]
      if (address === undefined) throw new TypeError('no server address')
      this.#open = { channel: dial(address), over: new AbortController() }
    }
    return this.#open
  }
}
