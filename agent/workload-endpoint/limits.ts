import { readdirSync, readFileSync } from 'node:fs'

/** What one endpoint bears. Each has a default that suits a node; tests set them lower. */
export interface EndpointLimits {
  /** Open calls of one uid, counted from their headers on; the next is refused as exhausted at once. */
  readonly streamsPerUid: number
  /** Open calls of all uids together. */
  readonly streams: number
  /**
   * A request larger than this is refused before it is read. An Envoy of today names all its
   * extensions in the first one of a stream, some 60 KB.
   */
  readonly messageBytes: number
  readonly audiences: number
  readonly audienceBytes: number
  /**
   * What callers may use together in descriptors: a sixteenth for their files in /proc, the rest for
   * connections, of which one uid gets at most half of what others leave. Those beyond are told so on
   * what nobody has taken. By default three quarters of the process's limit, less what is open at the start.
   */
  readonly descriptors: number | undefined
  /** A connection that has not sent its HTTP/2 preface by then is closed. */
  readonly prefaceTimeoutMs: number
  /** A call whose request has not come by then is ended. */
  readonly requestTimeoutMs: number
  /** A connection that has had no call for this long gives way when its user needs another. */
  readonly idleMs: number
  readonly attestorTimeoutMs: number
  /** How long calls may take to end when the endpoint closes. */
  readonly stopGraceMs: number
}

export const defaultLimits: EndpointLimits = {
  streamsPerUid: 2048,
  streams: 32_768,
  messageBytes: 131_072,
  audiences: 32,
  audienceBytes: 1024,
  descriptors: undefined,
  prefaceTimeoutMs: 10_000,
  requestTimeoutMs: 10_000,
  idleMs: 10_000,
  attestorTimeoutMs: 10_000,
  stopGraceMs: 1000,
}

const unlimitedDescriptors = 1 << 20
const leastDescriptors = 4

/** `limits` over the defaults. */
export function withDefaults(limits: Partial<EndpointLimits>): EndpointLimits {
  return { ...defaultLimits, ...limits }
}

/** A quarter of the limit stays for everything else that the process opens later. */
export function descriptorsForConnections(): number {
  const limit = descriptorLimit()
  const open = readdirSync('/proc/self/fd').length
  return Math.max(leastDescriptors, Math.floor((limit * 3) / 4) - open)
}

/** The soft limit that `ulimit -n` shows; Node raises it to the hard one as it starts. */
function descriptorLimit(): number {
  const text = readFileSync('/proc/self/limits', 'utf8')
  const soft = /^Max open files +(\d+|unlimited)/m.exec(text)?.[1]
  return soft === undefined || soft === 'unlimited' ? unlimitedDescriptors : Number(soft)
}
