import { Command } from 'commander'
import type { ListResponse } from '../rpc/gen/countersign/oauth/v1/ListResponse.ts'
import type { ListTokensResponse } from '../rpc/gen/countersign/oauth/v1/ListTokensResponse.ts'
import { systemClock } from '../runtime/clock.ts'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import { everyPage } from './every-page.ts'
import type { Io } from './io.ts'
import { printRows, relativeTime } from './output.ts'

interface GrantOptions extends AdminOptions {
  readonly spiffeId?: string
  readonly audience?: string
  readonly owner?: string
  readonly txn?: string
}

/** `countersign grant list` */
export function grantList(io: Io): Command {
  return withFilter(
    new Command('list').description('who can reach what, with tokens that are good now'),
  )
    .addHelpText(
      'after',
      '\nExample:\n  countersign grant list --audience https://orders.example.org',
    )
    .action(async (options: GrantOptions) => {
      const now = systemClock.now()
      const { grants, more } = await withServer(io, options, async (channel) => {
        const { createClient } = await import('../rpc/client.ts')
        const client = createClient('countersign.oauth.v1.Grants', channel)
        return io.progress('listing', client.unary('List', { filter: filterOf(options) }))
      })
      printRows(
        io,
        options.output,
        grants,
        [
          { title: 'CLIENT', text: (grant) => grant.client_id },
          {
            title: 'FOR',
            text: ({ subject, client_id }) => (subject === client_id ? '-' : subject),
          },
          { title: 'AUDIENCE', text: (grant) => grant.audience },
          { title: 'SCOPES', text: (grant) => grant.scopes.join(' ') },
          { title: 'OWNER', text: (grant) => grant.owner || '-' },
          { title: 'TOKENS', text: (grant) => grant.tokens },
          {
            title: 'LAST EXPIRES',
            text: (grant) => relativeTime(dateOf(grant.expires_at_ms), now),
          },
        ],
        grantJson,
      )
      if (more) io.note('there are more: narrow it, for example with --audience')
    })
}

/** `countersign grant tokens` */
export function grantTokens(io: Io): Command {
  return withFilter(new Command('tokens').description('each token that is good now, by its jti'))
    .option('--txn <id>', 'of this transaction: a token and all that was exchanged for it')
    .addHelpText(
      'after',
      '\nExample:\n  countersign grant tokens --spiffe-id spiffe://example.org/web',
    )
    .action(async (options: GrantOptions) => {
      const now = systemClock.now()
      const tokens = await withServer(io, options, async (channel) => {
        const { createClient } = await import('../rpc/client.ts')
        const client = createClient('countersign.oauth.v1.Grants', channel)
        const filter = filterOf(options)
        const pages = await everyPage((page_token) =>
          io.progress(
            'listing',
            client.unary('ListTokens', { filter, page_size: 500, page_token }),
          ),
        )
        return pages.flatMap((page) => page.tokens)
      })
      printRows(
        io,
        options.output,
        tokens,
        [
          { title: 'JTI', text: (token) => token.jti },
          { title: 'CLIENT', text: (token) => token.client_id },
          { title: 'AUDIENCE', text: (token) => token.audience },
          { title: 'SCOPES', text: (token) => token.scopes.join(' ') },
          { title: 'TXN', text: (token) => token.txn },
          { title: 'EXPIRES', text: (token) => relativeTime(dateOf(token.expires_at_ms), now) },
        ],
        tokenJson,
      )
    })
}

function withFilter(command: Command): Command {
  return withAdminOptions(command)
    .option('--spiffe-id <id>', 'held by this workload, or speaking for it')
    .option('--audience <resource>', 'for this resource')
    .option('--owner <owner>', 'of entries of this owner')
}

function filterOf({ spiffeId = '', audience = '', owner = '', txn = '' }: GrantOptions) {
  return { spiffe_id: spiffeId, audience, owner, txn }
}

function grantJson(grant: ListResponse['grants'][number]): unknown {
  return {
    clientId: grant.client_id,
    subject: grant.subject,
    audience: grant.audience,
    scopes: grant.scopes,
    entryId: grant.entry_id,
    owner: grant.owner,
    tokens: Number(grant.tokens),
    lastExpiresAt: dateOf(grant.expires_at_ms).toISOString(),
  }
}

function tokenJson(token: ListTokensResponse['tokens'][number]): unknown {
  return {
    jti: token.jti,
    txn: token.txn,
    parent: token.parent === '' ? null : token.parent,
    clientId: token.client_id,
    subject: token.subject,
    audience: token.audience,
    scopes: token.scopes,
    entryId: token.entry_id,
    owner: token.owner,
    actors: token.actors,
    issuedAt: dateOf(token.issued_at_ms).toISOString(),
    expiresAt: dateOf(token.expires_at_ms).toISOString(),
  }
}

function dateOf(ms: string): Date {
  return new Date(Number(ms))
}
