import { Command } from 'commander'
import type { RpcClient } from '../rpc/client.ts'
import type { RpcChannel } from '../rpc/dial.ts'
import type { AuthorityState } from '../rpc/gen/spire/api/server/localauthority/v1/AuthorityState.ts'
import type { ServiceDefinitions } from '../rpc/services.ts'
import { systemClock } from '../runtime/clock.ts'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import { instant } from './entry-view.ts'
import type { Io } from './io.ts'
import { type OutputFormat, printRecord, printRows, relativeTime } from './output.ts'

export type AuthorityKind = 'x509' | 'jwt' | 'oauth'

const localAuthority = 'spire.api.server.localauthority.v1.LocalAuthority'
type AuthorityClient = RpcClient<ServiceDefinitions[typeof localAuthority]>

interface OfOne extends AdminOptions {
  readonly id: string
}

/** An authority as `-o json` prints it. `expiresAt` is null where the server does not say. */
interface AuthorityJson {
  readonly state: 'active' | 'prepared' | 'old' | 'tainted' | 'revoked'
  readonly id: string
  readonly expiresAt: string | null
}

/** Keys of access tokens have a service of their own, by the same names. */
const wireKinds = { x509: 'X509', jwt: 'JWT', oauth: 'JWT' } as const

/** `countersign authority x509|jwt|oauth show` */
export function authorityShow(io: Io, kind: AuthorityKind): Command {
  return withAdminOptions(new Command('show').description('who signs, who will, and who did'))
    .addHelpText('after', `\nExample:\n  countersign authority ${kind} show`)
    .action(async (options: AdminOptions) => {
      const now = systemClock.now()
      const state = await call(io, kind, options, (client) =>
        client.unary(`Get${wireKinds[kind]}AuthorityState`, {}),
      )
      const rows = (['active', 'prepared', 'old'] as const).flatMap((name) => {
        const authority = state[name]
        return authority === null ? [] : [toJson(name, authority)]
      })
      printRows(
        io,
        options.output,
        rows,
        [
          { title: 'STATE', text: (row) => row.state },
          { title: 'ID', text: (row) => row.id },
          {
            title: 'ENDS',
            text: (row) =>
              row.expiresAt === null ? '-' : relativeTime(new Date(row.expiresAt), now),
          },
        ],
        (row) => row,
      )
    })
}

/** `countersign authority x509|jwt|oauth prepare` */
export function authorityPrepare(io: Io, kind: AuthorityKind): Command {
  return withAdminOptions(
    new Command('prepare').description(
      'make a successor and publish it, in the place of one that has not signed yet',
    ),
  )
    .addHelpText('after', `\nExample:\n  countersign authority ${kind} prepare`)
    .action(async (options: AdminOptions) => {
      const answer = await call(io, kind, options, (client) =>
        client.unary(`Prepare${wireKinds[kind]}Authority`, {}),
      )
      print(io, options.output, 'prepared', answer.prepared_authority)
    })
}

/** `countersign authority x509|jwt|oauth activate` */
export function authorityActivate(io: Io, kind: AuthorityKind): Command {
  return ofOne('activate', kind, 'let the prepared one sign from now on').action(
    async (options: OfOne) => {
      const answer = await call(io, kind, options, (client) =>
        client.unary(`Activate${wireKinds[kind]}Authority`, { authority_id: options.id }),
      )
      print(io, options.output, 'active', answer.activated_authority)
    },
  )
}

/** `countersign authority x509|jwt|oauth taint` */
export function authorityTaint(io: Io, kind: AuthorityKind): Command {
  return ofOne(
    'taint',
    kind,
    kind === 'oauth'
      ? 'end all access tokens that an old one has signed'
      : 'have all replaced that an old one has signed',
  ).action(async (options: OfOne) => {
    const answer = await call(io, kind, options, (client) =>
      client.unary(`Taint${wireKinds[kind]}Authority`, { authority_id: options.id }),
    )
    print(io, options.output, 'tainted', answer.tainted_authority)
  })
}

/** `countersign authority x509|jwt|oauth revoke` */
export function authorityRevoke(io: Io, kind: AuthorityKind): Command {
  return ofOne(
    'revoke',
    kind,
    kind === 'oauth' ? 'publish a tainted one no more' : 'take a tainted one out of the bundle',
    kind === 'x509'
      ? '\nAn agent that is away since before the taint has to join anew afterwards.'
      : '',
  ).action(async (options: OfOne) => {
    const answer = await call(io, kind, options, (client) =>
      client.unary(`Revoke${wireKinds[kind]}Authority`, { authority_id: options.id }),
    )
    print(io, options.output, 'revoked', answer.revoked_authority)
  })
}

function ofOne(verb: string, kind: AuthorityKind, description: string, more = ''): Command {
  return withAdminOptions(
    new Command(verb)
      .description(description)
      .requiredOption('--id <authority id>', 'as "show" prints it'),
  ).addHelpText(
    'after',
    `\nExample:\n  countersign authority ${kind} ${verb} --id 5f1c…${more === '' ? '' : `\n${more}`}`,
  )
}

async function call<T>(
  io: Io,
  kind: AuthorityKind,
  options: AdminOptions,
  work: (client: Awaited<ReturnType<typeof clientOf>>) => Promise<T>,
): Promise<T> {
  return withServer(io, options, async (channel) => work(await clientOf(channel, kind)))
}

async function clientOf(channel: RpcChannel, kind: AuthorityKind): Promise<AuthorityClient> {
  const { createClient } = await import('../rpc/client.ts')
  return kind === 'oauth'
    ? (createClient('countersign.oauth.v1.TokenAuthority', channel) as AuthorityClient)
    : createClient(localAuthority, channel)
}

function toJson(state: AuthorityJson['state'], authority: AuthorityState): AuthorityJson {
  return { state, id: authority.authority_id, expiresAt: instant(authority.expires_at) }
}

function print(
  io: Io,
  output: OutputFormat,
  state: AuthorityJson['state'],
  authority: AuthorityState | null,
): void {
  if (authority === null) return
  const shown = toJson(state, authority)
  printRecord(io, output, shown, [
    ['state', shown.state],
    ['id', shown.id],
    ['ends', shown.expiresAt ?? '-'],
  ])
}
