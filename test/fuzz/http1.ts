import { connect, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls'
import fc from 'fast-check'
import { withByteEdits } from './bytes.ts'
import type { DoorsAddress } from './doors-process.ts'
import { honestCallers, questionOf, shownOf } from './honest-callers.ts'
import { answers, requestsOf } from './http1-conversations.ts'
import { openFuzzStand } from './stand.ts'
import type { Target } from './target.ts'

const host = '127.0.0.1'
const nonce = 'n'.repeat(22)
const feedPath = '/oauth/feed?client_id=spiffe%3A%2F%2Fexample.org%2Fweb'

/** How long a connection is left to answer before it is dropped: by the input's length, one of these. */
const ANSWER_MS = [0, 1, 15]
const HONEST_EVERY = 50
/** Where it does not even come to a connection. */
const PATIENCE_MS = 2000

/** One way in. */
interface Door {
  readonly conversations: fc.Arbitrary<Uint8Array>
  /** Below TLS, where there is TLS. */
  dial(): Socket
  readonly tls?: SecureContext
  /** What goes before the input's bytes. */
  before?(input: Uint8Array): string
}

/** HTTP/1.1 as nobody speaks it, and every way to leave, at each HTTP door; where honest callers are served all the while. */
export const http1: Target = {
  name: 'http1',
  async open() {
    const stand = await openFuzzStand<DoorsAddress>('doors-process.ts')
    const doors = doorsOf(stand.at)
    const honest = honestCallers(stand.at)
    await honest.all()
    let taken = 0
    return {
      // One byte for the door, one for how to leave, one for where to pause; then the conversation.
      inputs: fc.nat({ max: doors.length - 1 }).chain((index) => {
        const { conversations } = doors[index] as Door
        return fc
          .tuple(
            fc.nat({ max: leaving.length - 1 }),
            fc.nat({ max: 255 }),
            withByteEdits(conversations),
          )
          .map(([leave, pause, bytes]) => Buffer.concat([Buffer.of(index, leave, pause), bytes]))
      }),
      async take(input) {
        const [index = 0, leave = 0, pause = 0] = input
        const door = doors[index % doors.length] as Door
        await converse(
          door,
          leaving[leave % leaving.length] as Leaving,
          pause / 256,
          input.subarray(3),
        )
        stand.check()
        taken += 1
        if (taken % HONEST_EVERY === 0) await honest.all()
        else await honest.alive()
      },
      workedMs: stand.loopMs,
      descriptors: stand.descriptors,
      async [Symbol.asyncDispose]() {
        await stand[Symbol.asyncDispose]()
      },
    }
  },
}

/** When and how a client leaves: by a FIN after what it has sent, or in the midst of something, with or without a RST. */
interface Leaving {
  readonly when: 'sent' | 'answered' | 'handshake' | 'waited'
  readonly how: 'destroy' | 'reset'
  readonly endsFirst?: boolean
  readonly isDeaf?: boolean
}

const leaving: readonly Leaving[] = [
  ...(['sent', 'answered', 'handshake', 'waited'] as const).flatMap((when) =>
    (['destroy', 'reset'] as const).map((how) => ({ when, how })),
  ),
  { when: 'waited', how: 'destroy', endsFirst: true },
  { when: 'answered', how: 'destroy', endsFirst: true },
  { when: 'waited', how: 'reset', isDeaf: true },
]

/** Resolves once the connection is gone, whoever ended it. */
async function converse(
  door: Door,
  { when, how, endsFirst = false, isDeaf = false }: Leaving,
  share: number,
  input: Uint8Array,
): Promise<void> {
  const raw = door.dial()
  // Not `once`, which rejects at an error: to be hung up on is an answer too.
  const closed = new Promise<void>((resolve) => raw.once('close', () => resolve()))
  const { tls: secureContext } = door
  const socket =
    secureContext === undefined
      ? raw
      : connectTls({ socket: below(raw, how), secureContext, rejectUnauthorized: false })
  for (const one of [raw, socket]) one.on('error', () => {})
  const leave = (): void => {
    // `resetAndDestroy` sends what waits first, and leaves the handle open where a FIN is on its way. A Unix socket has no RST.
    const mayReset = raw.remotePort !== undefined && !raw.writableEnded
    if (how === 'reset' && mayReset) Object.assign(raw, { resetAndClosing: true })
    for (const one of [raw, socket]) one.destroy()
  }
  const timers = [setTimeout(leave, PATIENCE_MS)]
  const bytes = Buffer.concat([Buffer.from(door.before?.(input) ?? '', 'latin1'), input])
  const at = Math.floor(share * bytes.length)
  const sendRest = (): void => {
    if (endsFirst) socket.end(bytes.subarray(at))
    else socket.write(bytes.subarray(at), () => when === 'sent' && leave())
    timers.push(setTimeout(leave, ANSWER_MS[input.length % ANSWER_MS.length]))
  }
  if (when === 'handshake') raw.once(share < 0.5 ? 'connect' : 'data', leave)
  if (when === 'answered') socket.once('data', leave)
  if (!isDeaf) socket.resume()
  socket.once('end', leave)
  socket.write(bytes.subarray(0, at))
  socket.once(secureContext === undefined ? 'connect' : 'secureConnect', () =>
    setImmediate(sendRest),
  )
  await closed
  timers.forEach(clearTimeout)
}

/** TLS takes the handle of a socket that it gets as such, and nobody can reset it any more. */
function below(raw: Socket, how: Leaving['how']): Duplex {
  return how === 'reset' ? Duplex.from({ readable: raw, writable: raw }) : raw
}

/** Each with what is good there, so that what is odd gets further than to the first check. */
function doorsOf(at: DoorsAddress): readonly Door[] {
  const bearer = (token: string): string => `authorization: Bearer ${token}`
  const tls = (port: number, more: Partial<Door> = {}) => ({
    dial: () => connect(port, host),
    tls: createSecureContext(),
    ...more,
  })
  const plain = (port: number) => ({ dial: () => connect(port, host) })
  const form = 'content-type: application/x-www-form-urlencoded'
  const forms = ['/oauth/token', '/oauth/introspect', '/oauth/revoke']
  const documents = ['/oauth/jwks', '/oauth/feed-keys', '/.well-known/oauth-authorization-server']
  const feed = [`${feedPath}&nonce=${nonce}`, `/oauth/feed/acknowledge?nonce=${nonce}&head=a.1`]
  const brokerLines = [`host: ${at.brokerHost}`, bearer(at.callerToken)]
  const toVendor = `POST /acme/v2/contacts HTTP/1.1\r\n${brokerLines.join('\r\n')}\r\n`
  return [
    {
      ...tls(at.token),
      conversations: requestsOf({
        targets: [...forms, ...documents, ...feed],
        lines: ['host: as.example.org', form],
      }),
    },
    {
      ...tls(at.token, { tls: createSecureContext(shownOf(at)) }),
      conversations: requestsOf({ targets: [...forms, ...feed], lines: ['host: a', form] }),
    },
    {
      ...tls(at.broker),
      conversations: requestsOf({
        targets: ['/acme/v2/contacts', '/acme', '/none/v2', '/acme/v2/../x', '/acme/v2/a?b=c'],
        lines: brokerLines,
      }),
    },
    {
      ...tls(at.broker),
      conversations: answers,
      before: ({ length }) => `${toVendor}content-length: ${length}\r\n\r\n`,
    },
    {
      dial: () => connect(at.forwardAuth),
      conversations: requestsOf({
        targets: ['/orders', '/other', '/orders/x'],
        lines: ['host: a', ...questionOf(at)],
      }),
    },
    {
      ...plain(at.monitoring),
      conversations: requestsOf({ targets: ['/live', '/ready', '/metrics'], lines: ['host: a'] }),
    },
    {
      ...plain(at.discovery),
      conversations: requestsOf({
        targets: ['/.well-known/openid-configuration', '/keys'],
        lines: ['host: oidc.example.org'],
      }),
    },
  ]
}
