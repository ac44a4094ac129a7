import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { createSecureContext, type TLSSocket, connect as tlsConnect } from 'node:tls'
import type { BundleLookup } from '../bundle/bundle.ts'
import { CountersignError } from '../errors.ts'
import { contextOptions } from '../mtls/context.ts'
import { connectTls } from '../mtls/handshake.ts'
import type { Clock } from '../runtime/clock.ts'
import { within } from '../runtime/within.ts'
import type { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import { verifyX509Svid } from '../svid/x509-svid.ts'
import type { Location } from './locate.ts'

/** Whom to believe at an endpoint (SPIFFE Federation §5.2); never guessed, never exchanged. */
export type EndpointProfile =
  | {
      readonly type: 'https_web'
      /** CA certificates, PEM, in place of those that Node knows. */
      readonly ca?: readonly string[]
    }
  | {
      readonly type: 'https_spiffe'
      /** Who has to answer, and nobody else of its trust domain. */
      readonly endpointId: SpiffeId
      /** The bundle of the endpoint's own trust domain, as it is by then. */
      readonly bundles: BundleLookup
    }

/** TLS 1.2 for peers that lack 1.3. HTTP/1.1 is spoken, which is what no ALPN means. */
const protocol = { minVersion: 'TLSv1.2', alpn: [] } as const
/** So long an address may leave the connection unanswered where there is another one to try. */
const answerMs = 1000

export interface ConnectOptions {
  readonly profile: EndpointProfile
  readonly timeoutMs: number
  readonly clock: Clock
  /** Destroys the connection, at any time. */
  readonly signal: AbortSignal
}

/**
 * A connection whose server has been verified, before any of its data has been read. Throws
 * `unavailable` (`federation-unreachable`, `tls-…`), `unauthenticated` (`federation-certificate`,
 * `federation-endpoint-id`, `svid-…`, `peer-…`).
 */
export async function connectEndpoint(
  location: Location,
  options: ConnectOptions,
): Promise<TLSSocket> {
  const socket = await reach(location, options)
  const { profile, clock } = options
  if (profile.type === 'https_web') return verifyWeb(socket, location, profile.ca)
  return connectTls({
    socket,
    identity: undefined,
    protocol,
    ...(location.serverName !== undefined && { serverName: location.serverName }),
    verifyServer(chain) {
      const { spiffeId } = verifyX509Svid(chain, profile.bundles, clock.now())
      if (spiffeId === profile.endpointId) return
      throw new CountersignError('unauthenticated', 'the bundle endpoint is somebody else', {
        reason: 'federation-endpoint-id',
        fix: `find out who answers there, where ${profile.endpointId} is expected`,
      })
    },
    handshakeTimeoutMs: options.timeoutMs,
    clock,
  })
}

/** The first of the addresses that takes the connection: a way that swallows it does not use up the time of the others. */
async function reach(
  { addresses, port }: Location,
  { clock, signal }: Pick<ConnectOptions, 'clock' | 'signal'>,
): Promise<Socket> {
  let cause: unknown
  for (const host of addresses) {
    const socket = connectTcp({ host, port, noDelay: true, signal })
    socket.on('error', () => {})
    const connected = once(socket, 'connect')
    try {
      await (host === addresses.at(-1)
        ? connected
        : within(clock, answerMs, connected, () => unreachable(undefined)))
      return socket
    } catch (error) {
      socket.destroy()
      signal.throwIfAborted()
      cause = error
    }
  }
  throw unreachable(cause)
}

function unreachable(cause: unknown): CountersignError {
  return new CountersignError('unavailable', 'the endpoint cannot be reached', {
    reason: 'federation-unreachable',
    cause,
  })
}

/** §5.2.1.4: a CA that is trusted for web servers, and the host's name or address in the certificate. */
function verifyWeb(
  socket: Socket,
  { serverName, addresses }: Location,
  ca: readonly string[] | undefined,
): Promise<TLSSocket> {
  const { ca: _, ...options } = contextOptions(undefined, protocol)
  return new Promise((resolve, reject) => {
    const tls = tlsConnect({
      socket,
      secureContext: createSecureContext({ ...options, ...(ca !== undefined && { ca: [...ca] }) }),
      // An address has no name to ask for, and is what the certificate has to hold.
      ...(serverName === undefined ? { host: addresses[0] ?? '' } : { servername: serverName }),
      rejectUnauthorized: true,
    })
    const fail = (error: NodeJS.ErrnoException | undefined): void => {
      reject(
        tls.authorizationError || error?.code === 'ERR_TLS_CERT_ALTNAME_INVALID'
          ? new CountersignError(
              'unauthenticated',
              'the certificate of the web server is refused',
              {
                reason: 'federation-certificate',
                fix: `have the endpoint show a certificate for its name by a CA that is trusted here`,
                cause: error,
              },
            )
          : new CountersignError('unavailable', 'the TLS handshake failed', {
              reason: 'tls-handshake',
              cause: error,
            }),
      )
      tls.destroy()
    }
    tls.on('error', fail)
    tls.once('close', () => fail(undefined))
    tls.once('secureConnect', () => resolve(tls))
  })
}
