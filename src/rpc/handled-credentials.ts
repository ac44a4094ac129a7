import { CallCredentials, ChannelCredentials, type ChannelOptions } from '@grpc/grpc-js'

type Connector = ReturnType<ChannelCredentials['_createSecureConnector']>
type Connected = Awaited<ReturnType<Connector['connect']>>['socket']

interface Handling {
  readonly encrypted: boolean
  /** A connection is about to be tried. */
  attempting(): void
  /** Takes the connected socket; gives what HTTP/2 is spoken over, encrypted and verified where it is to be. */
  handle(socket: Connected): Promise<Connected>
}

/** Hands grpc-js connections that were made ready here; grpc-js adds no check of its own. */
export class HandledCredentials extends ChannelCredentials {
  readonly #handling: Handling

  constructor(handling: Handling) {
    super()
    this.#handling = handling
  }

  override _isSecure(): boolean {
    return this.#handling.encrypted
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other
  }

  override _createSecureConnector(
    _target: unknown,
    _options: ChannelOptions,
    callCredentials?: CallCredentials,
  ): Connector {
    const given = callCredentials ?? CallCredentials.createEmpty()
    const { encrypted } = this.#handling
    return {
      connect: async (socket) => ({
        socket: await this.#handling.handle(socket),
        secure: encrypted,
      }),
      waitForReady: async () => this.#handling.attempting(),
      getCallCredentials: () => given,
      destroy: () => {},
    }
  }
}
