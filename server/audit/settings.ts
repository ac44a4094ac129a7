import { z } from 'zod'
import { CountersignError } from '../../src/errors.ts'
import { type HostPort, hostPort, path } from '../../src/runtime/config-value.ts'

/** Where copies of the trail go, beside the file. */
export type SinkSettings = { readonly name: string } & (
  | { readonly type: 'stdout' }
  | { readonly type: 'syslog'; readonly to: SyslogAddress; readonly ca: string | undefined }
  | {
      readonly type: 'otlp'
      readonly url: string
      readonly ca: string | undefined
      readonly tokenFile: string | undefined
    }
)

export type SyslogAddress =
  | { readonly transport: 'udp' | 'tcp' | 'tls'; readonly address: HostPort }
  | { readonly transport: 'unix'; readonly path: string }

const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'small letters, digits and hyphens, at most 32')
  .optional()

/** As an operator writes it. */
export const sinksSchema: z.ZodType<readonly SinkFile[]> = z
  .array(
    z.discriminatedUnion('type', [
      z.strictObject({ type: z.literal('stdout'), name }),
      z.strictObject({
        type: z.literal('syslog'),
        name,
        address: z.string().max(512),
        ca: path.optional(),
      }),
      z.strictObject({
        type: z.literal('otlp'),
        name,
        url: z.url().max(2048),
        ca: path.optional(),
        token_file: path.optional(),
      }),
    ]),
  )
  .max(16) as z.ZodType<readonly SinkFile[]>

type SinkFile = { readonly name?: string | undefined; readonly ca?: string | undefined } & (
  | { readonly type: 'stdout' }
  | { readonly type: 'syslog'; readonly address: string }
  | { readonly type: 'otlp'; readonly url: string; readonly token_file?: string | undefined }
)

/** Throws `invalid`: `config-audit-sinks`. */
export function readSinks(said: readonly SinkFile[] | undefined): readonly SinkSettings[] {
  const sinks = (said ?? []).map(readSink)
  for (const { name: one } of sinks) {
    if (sinks.filter((other) => other.name === one).length > 1) {
      refuse(`two audit sinks have the name ${one}`, 'give each a name of its own')
    }
  }
  return sinks
}

function readSink(said: SinkFile): SinkSettings {
  const { name: own = said.type, ca } = said
  switch (said.type) {
    case 'stdout':
      return { name: own, type: 'stdout' }
    case 'syslog': {
      const to = readSyslogAddress(said.address)
      if (ca !== undefined && to.transport !== 'tls') {
        refuse('a syslog sink has a ca without TLS', 'write its address as tls://host:6514')
      }
      return { name: own, type: 'syslog', to, ca }
    }
    case 'otlp': {
      const { protocol, hostname, username } = new URL(said.url)
      const local = ['localhost', '127.0.0.1', '[::1]'].includes(hostname)
      if (username !== '' || (protocol !== 'https:' && !(protocol === 'http:' && local))) {
        refuse(
          'an OTLP sink has a URL that is not one of https',
          'write it as https://host:4318/v1/logs, or http for a collector on this machine',
        )
      }
      return { name: own, type: 'otlp', url: said.url, ca, tokenFile: said.token_file }
    }
  }
}

function readSyslogAddress(text: string): SyslogAddress {
  const [, transport, rest = ''] = /^(udp|tcp|tls|unix):\/\/(.{1,500})$/.exec(text) ?? []
  if (transport === 'unix' && rest.startsWith('/')) return { transport, path: rest }
  if (transport === 'udp' || transport === 'tcp' || transport === 'tls') {
    const { data: address } = hostPort.safeParse(rest)
    if (address !== undefined) return { transport, address }
  }
  return refuse(
    'the address of a syslog sink does not say how it is reached',
    'write it as tls://host:6514, tcp://host:601, udp://host:514 or unix:///dev/log',
  )
}

function refuse(message: string, fix: string): never {
  throw new CountersignError('invalid', message, { reason: 'config-audit-sinks', fix })
}
