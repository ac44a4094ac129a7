import { Command } from 'commander'
import { type FactKind, factKinds } from '../revocation/fact.ts'
import type { OffboardOwnerResponse } from '../rpc/gen/countersign/revocation/v1/OffboardOwnerResponse.ts'
import type { RevokeResponse } from '../rpc/gen/countersign/revocation/v1/RevokeResponse.ts'
import { counted } from '../runtime/counted.ts'
import { SpiffeId, TrustDomain } from '../spiffe-id/spiffe-id.ts'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import type { Io } from './io.ts'
import { printable, printJson } from './output.ts'
import { formed } from './value-form.ts'

interface RevokeOptions extends AdminOptions {
  readonly reason: string
}

const kinds: Readonly<Record<FactKind, readonly [argument: string, description: string]>> = {
  token: ['jti', 'one access token'],
  transaction: ['txn', 'an access token, and all that was bought with it'],
  'spiffe-id': ['id', 'all tokens of a workload, and what others do on its behalf'],
  entry: ['id', 'all tokens by an entry; the entry stays'],
  owner: ['name', 'all tokens by the entries of an owner; see also "countersign offboard"'],
  audience: ['resource', 'all tokens for a resource'],
  integration: ['url', 'all tokens for an integration, which its broker shuts'],
  key: ['kid', 'all tokens that a key has signed; another one takes its place'],
  'trust-domain': ['name', 'all tokens of the workloads of a trust domain'],
  node: [
    'agent id',
    'all tokens by the entries that an agent has; see also "countersign agent ban"',
  ],
}

const forms: Readonly<Partial<Record<FactKind, (id: string) => unknown>>> = {
  'spiffe-id': SpiffeId.parse,
  'trust-domain': TrustDomain.parseIdOrName,
  node: SpiffeId.parse,
}

/** `countersign revoke KIND ID` */
export function revokeVerbs(io: Io): readonly Command[] {
  return factKinds.map((kind) => {
    const [argument, description] = kinds[kind]
    return withReason(new Command(kind).description(description))
      .argument(`<${argument}>`, '', formed(forms[kind] ?? (() => {})))
      .addHelpText(
        'after',
        `\nExample:\n  countersign revoke ${kind} ${examples[kind]} --reason "laptop lost"`,
      )
      .action(async (id: string, options: RevokeOptions) => {
        const answer = await withServer(io, options, async (channel) => {
          const { createClient } = await import('../rpc/client.ts')
          const client = createClient('countersign.revocation.v1.Revocation', channel)
          return client.unary('Revoke', { kind, id, reason: options.reason })
        })
        print(io, options, kind, id, answer)
      })
  })
}

/** `countersign offboard` */
export function offboard(io: Io): Command {
  return withReason(
    new Command('offboard').description(
      'end all that an owner answers for: tokens at once, and entries with their SVIDs',
    ),
  )
    .requiredOption('--owner <name>', 'as "entry list" shows it')
    .addHelpText(
      'after',
      '\nExample:\n  countersign offboard --owner team-pay --reason "the team is no more"',
    )
    .action(async (options: RevokeOptions & { readonly owner: string }) => {
      const { owner, reason } = options
      const answer = await withServer(io, options, async (channel) => {
        const { createClient } = await import('../rpc/client.ts')
        const client = createClient('countersign.revocation.v1.Revocation', channel)
        return io.progress('offboarding', client.unary('OffboardOwner', { owner, reason }))
      })
      printCut(io, options, answer)
    })
}

const examples: Readonly<Record<FactKind, string>> = {
  token: '5f0c2a9e-…',
  transaction: '0b7d41c3-…',
  'spiffe-id': 'spiffe://example.org/web',
  entry: '2f9c…',
  owner: 'team-pay',
  audience: 'https://orders.example.org',
  integration: 'https://broker.example.org/acme-crm',
  key: '9d1f…',
  'trust-domain': 'partner.example',
  node: 'spiffe://example.org/spire/agent/join_token/4f1c…',
}

function withReason(command: Command): Command {
  return withAdminOptions(command.requiredOption('--reason <text>', 'why, for the audit trail'))
}

function print(
  io: Io,
  options: RevokeOptions,
  kind: FactKind,
  id: string,
  answer: RevokeResponse,
): void {
  const { known, ...said } = jsonOf(answer)
  const { more_tokens: moreTokens } = answer
  const tokens = Number(answer.tokens)
  if (!known) io.note(`note: this server knows no such ${kind}; it is revoked all the same`)
  if (options.output === 'json') printJson(io, { kind, id, known, ...said, tokens, moreTokens })
  else {
    io.write(`revoked ${kind} ${printable(id)}: ${countOf(answer)}\n`)
  }
}

function printCut(
  io: Io,
  options: RevokeOptions & { readonly owner: string },
  answer: OffboardOwnerResponse,
): void {
  const { entries, deleted, more_tokens: moreTokens, revoked } = answer
  const { foreign_clients: foreignClients } = answer
  const tokens = Number(answer.tokens)
  for (const id of foreignClients) {
    io.note(
      `note: ${printable(id)} stays listed in oauth.foreign_clients: take it out, or its next SVID gets tokens again`,
    )
  }
  if (deleted === 0 && tokens === 0 && foreignClients.length === 0) {
    io.note(
      'note: nothing here is of this owner; it is revoked all the same: see "countersign entry list"',
    )
  }
  if (options.output === 'json') {
    printJson(io, {
      owner: options.owner,
      deleted,
      tokens,
      moreTokens,
      foreignClients,
      entries: entries.map(({ id, spiffe_id }) => ({ id, spiffeId: spiffe_id })),
      ...(revoked !== null && { revoked: jsonOf(revoked) }),
    })
    return
  }
  for (const { id, spiffe_id } of entries) io.write(`deleted ${id} ${printable(spiffe_id)}\n`)
  if (deleted > entries.length) io.write(`deleted ${deleted - entries.length} more\n`)
  const cut = `${counted(deleted, 'entry', 'entries')}, ${countOf(answer)}`
  io.write(`revoked owner ${printable(options.owner)}: ${cut}\n`)
}

function countOf({ tokens, more_tokens }: Pick<RevokeResponse, 'tokens' | 'more_tokens'>): string {
  return `${more_tokens ? 'at least ' : ''}${counted(Number(tokens), 'token')}`
}

function jsonOf({ number, not_before, ends_at, known }: RevokeResponse) {
  const instant = (seconds: string): string | null =>
    seconds === '0' ? null : new Date(Number(seconds) * 1000).toISOString()
  return {
    number: Number(number),
    notBefore: instant(not_before),
    endsAt: instant(ends_at),
    known,
  }
}
