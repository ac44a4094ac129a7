import type { Command } from 'commander'
import { revocableKinds } from '../policy/question.ts'
import type { StatedQuestion } from '../policy/stated-question.ts'
import { parseDuration } from '../runtime/duration.ts'
import { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import { parseLabel, repeat } from './entry-flags.ts'
import { usage } from './usage.ts'
import { eachFormed, formed } from './value-form.ts'

/** A question to policies, as the command line says it. */
export interface QuestionFlags {
  readonly resource?: string
  readonly scope?: readonly string[]
  readonly auth?: string
  readonly subject?: string
  readonly actor?: readonly string[]
  readonly audience?: string
  readonly integration?: string
  readonly method?: string
  readonly path?: string
  readonly revoke?: string
  readonly client?: string
  readonly tokenOwner?: string
  readonly operator?: string
  readonly address?: string
  readonly owner?: string
  readonly purpose?: string
  readonly label?: readonly string[]
  readonly ttl?: number
  readonly resourceOwner?: string
  readonly resourceEnv?: string
}

/** What is asked, in the order of `--help`. */
export function withQuestionFlags(command: Command): Command {
  return command
    .option('--resource <id>', 'may it have a token for this resource; with it:')
    .option('--scope <scope>', '  that the token has; repeat for more', repeat)
    .option('--auth <method>', '  how the workload proves itself; spiffe_x509 unless told')
    .option('--subject <id>', '  of an exchange: "sub" of the token that is shown')
    .option('--actor <id>', '  of an exchange: who acts in that token, outermost first', repeat)
    .option('--audience <id>', '  of an exchange: "aud" of that token')
    .option('--integration <url>', 'may it call this vendor, by its URL at the broker; with it:')
    .option('--method <method>', '  of the call; GET unless told')
    .option('--path <path>', '  of the call; / unless told')
    .option(
      '--revoke <kind:id>',
      'may it revoke this, as "countersign revoke" names it; with it:',
      formed(targetOf),
    )
    .option('--operator <id>', '  an operator asks and no workload: a SPIFFE ID, or uid:NUMBER')
    .option('--client <id>', '  of a token: whose it is; --audience: what for')
    .option('--token-owner <name>', '  of a token: owner of the entry of its client')
    .option('--address <ip>', 'from where it asks; 127.0.0.1 unless told')
}

/** What else a folder of policies has to be told, and a server knows. */
export function withDescriptionFlags(command: Command): Command {
  return command
    .option('--owner <name>', '  who answers for it')
    .option('--purpose <text>', '  what it is for')
    .option('--label <key=value>', '  a label; repeat for more', eachFormed(parseLabel))
    .option('--ttl <duration>', '  max_ttl of the resource; 5m unless told', parseDuration)
    .option('--resource-owner <name>', '  owner of the resource or integration')
    .option('--resource-env <name>', '  env of the resource or integration')
    .option('--no-separate-environments', '  as oauth.separate_environments: false')
}

const descriptions = ['owner', 'purpose', 'label', 'ttl', 'resourceOwner', 'resourceEnv'] as const

/** Throws `invalid` / `usage` where a server is told what it knows, or asked what it does not decide. */
export function checkForServer(
  flags: QuestionFlags & { readonly separateEnvironments: boolean },
): void {
  if (flags.integration !== undefined) {
    throw usage(
      'a broker decides on calls to vendors, by files of its own',
      'name its folder: --policies FOLDER',
    )
  }
  if (!flags.separateEnvironments || descriptions.some((name) => flags[name] !== undefined)) {
    throw usage(
      'the server knows its entries and resources itself',
      'describe an entry or a resource only with --policies FOLDER',
    )
  }
}

/** What the flags ask of this workload. Throws `invalid` / `usage`. */
export function questionOfFlags(id: string | undefined, flags: QuestionFlags): StatedQuestion {
  const { resource, integration, revoke, subject, audience, client, tokenOwner } = flags
  const asked = [resource, integration, revoke].filter((one) => one !== undefined)
  if (asked.length !== 1) {
    throw usage('ask one thing', 'give one of --resource, --integration and --revoke')
  }
  if (revoke === undefined && (client ?? tokenOwner) !== undefined) {
    throw usage('of a revocation alone', 'give --client and --token-owner with --revoke token:JTI')
  }
  const { operator, scope, auth, address, ttl, actor, method, path } = flags
  const more = { owner: flags.resourceOwner, env: flags.resourceEnv }
  const said = {
    ...{ entry: id === undefined ? undefined : entryOf(id, flags), operator, method, path },
    ...{ auth, address, ttl, scopes: scope, subject, actors: actor },
  }
  if (revoke !== undefined) {
    const target = { ...targetOf(revoke), client, audience, owner: tokenOwner }
    return { action: 'revoke', ...said, revoke: target }
  }
  if (integration !== undefined) {
    return { action: 'callVendor', ...said, audience, integration: { id: integration, ...more } }
  }
  return {
    action: subject === undefined ? 'issueToken' : 'exchangeToken',
    ...{ ...said, audience, scopes: scope ?? [] },
    resource: { id: resource ?? '', ...more },
  }
}

function entryOf(id: string, { owner = '', purpose = '', label = [] }: QuestionFlags) {
  const labels = Object.fromEntries(label.map(parseLabel))
  return { id: SpiffeId.parse(id), owner, purpose, labels }
}

function targetOf(text: string): Pick<NonNullable<StatedQuestion['revoke']>, 'kind' | 'id'> {
  const at = text.indexOf(':')
  const kind = (['token', ...revocableKinds] as const).find((one) => one === text.slice(0, at))
  if (kind !== undefined) return { kind, id: text.slice(at + 1) }
  throw usage(
    `nothing that could be revoked: ${text}`,
    `write it as KIND:ID, with one of token, ${revocableKinds.join(', ')}`,
  )
}
