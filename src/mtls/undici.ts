import type { TLSSocket } from 'node:tls'
import type { Dispatcher, fetch, request } from 'undici'
import { type Address, dial, type HttpClientOptions } from './http-client.ts'
import { onRenewal } from './identity-source.ts'
import { onRetiring } from './peer.ts'

/**
 * What undici's `connect` option wants: `new Agent({ connect: connector({ source, authorize }) })`. Its
 * connections show the source's SVID, to servers that `authorize` lets in, and last until an SVID of
 * theirs ends.
 */
export function connector(
  options: HttpClientOptions,
): (address: Address, callback: (...result: [Error, null] | [null, TLSSocket]) => void) => void {
  return (address, callback) =>
    dial(options, address, (error, socket) =>
      error === null ? callback(null, socket) : callback(error, null),
    )
}

type RequestOptions = Omit<NonNullable<Parameters<typeof request>[1]>, 'dispatcher'>

/** undici's `fetch` and `request`, over connections that prove who is at both ends. */
export interface HttpClient extends AsyncDisposable {
  readonly fetch: typeof fetch
  readonly request: (
    url: string | URL,
    options?: RequestOptions,
  ) => Promise<Dispatcher.ResponseData<unknown>>
  /** Ends once the requests under way have. */
  close(): Promise<void>
}

/**
 * Opens a client for servers that `authorize` lets in. Needs the package `undici`, which is loaded here
 * and not before. A renewal of the SVID leaves the connections made with the one before to the requests
 * under way, and so do the last 30 s of a server's SVID; the next have new ones.
 */
export async function openHttpClient(options: HttpClientOptions): Promise<HttpClient> {
  const undici = await import('undici')
  const connect = connector(options)
  const openAgent = (): Dispatcher => {
    const opened: Dispatcher = new undici.Agent({
      connect: (address, callback) =>
        connect(address, (...result) => {
          // undici tells nobody which connections lie idle: all are left, and most are soon made anew.
          if (result[1] !== null) onRetiring(result[1], () => replace(opened))
          callback(...result)
        }),
    })
    return opened
  }
  const replace = (old: Dispatcher): void => {
    if (agent !== old) return
    agent = openAgent()
    old.close().catch(() => {})
  }
  let agent = openAgent()
  const stopUpdates = onRenewal(options.source, () => replace(agent))
  const close = async (): Promise<void> => {
    stopUpdates()
    await agent.close()
  }
  return {
    fetch: (input, init) => undici.fetch(input, { ...init, dispatcher: agent }),
    request: (url, init) => undici.request(url, { ...init, dispatcher: agent }),
    close,
    [Symbol.asyncDispose]: close,
  }
}
