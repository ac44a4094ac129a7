import { Command } from 'commander'
import { CountersignError } from '../errors.ts'
import type { StatedQuestion } from '../policy/stated-question.ts'
import { systemClock } from '../runtime/clock.ts'
import { parseDuration } from '../runtime/duration.ts'
import { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import { parseLabel, repeat } from './entry-flags.ts'
import type { Io } from './io.ts'
import { type Explained, printExplained } from './policy-explained.ts'

interface Flags extends AdminOptions {
  readonly resource: string
  readonly scope?: readonly string[]
  readonly auth: string
  readonly address: string
  readonly subject?: string
  readonly actor?: readonly string[]
  readonly audience?: string
  readonly policies?: string
  readonly separateEnvironments: boolean
  readonly owner?: string
  readonly purpose?: string
  readonly label?: readonly string[]
  readonly resourceOwner?: string
  readonly resourceEnv?: string
  readonly ttl?: string
}

/** `countersign policy explain` */
export function policyExplain(io: Io): Command {
  return withAdminOptions(
    new Command('explain')
      .description('can this workload get these scopes for this resource, and why')
      .argument('<spiffe id>', 'of the workload'),
  )
    .requiredOption('--resource <id>', 'what the token is for')
    .option('--scope <scope>', 'that the token has; repeat for more', repeat)
    .option('--auth <method>', 'how the workload proves itself', 'spiffe_x509')
    .option('--address <ip>', 'from where it asks', '127.0.0.1')
    .option('--subject <id>', 'of an exchange: "sub" of the token that is shown')
    .option('--audience <id>', 'of an exchange: "aud" of that token')
    .option('--actor <id>', 'of an exchange: who acts in that token, outermost first', repeat)
    .option('--policies <folder>', 'ask these files instead of the server; then, of the entry:')
    .option('--owner <name>', '  who answers for it')
    .option('--purpose <text>', '  what it is for')
    .option('--label <key=value>', '  a label; repeat for more', repeat)
    .option('--ttl <duration>', '  max_ttl of the resource; 5m unless told')
    .option('--resource-owner <name>', '  owner of the resource')
    .option('--resource-env <name>', '  env of the resource')
    .option('--no-separate-environments', '  as oauth.separate_environments: false')
    .addHelpText(
      'after',
      `
Where nobody permits it, it names up to three policies that nearly would, and what of each is not so.

Examples:
  countersign policy explain spiffe://example.org/web --resource https://orders.example.org --scope orders:read
  countersign policy explain spiffe://example.org/web --resource https://orders.example.org --scope orders:read \\
    --policies /etc/countersign/policy --owner shop --label env=prod`,
    )
    .action(async (id: string, flags: Flags) => {
      const explained =
        flags.policies === undefined
          ? await byServer(io, id, flags)
          : await byFolder(id, flags, flags.policies)
      printExplained(io, flags.output, explained)
    })
}

async function byFolder(id: string, flags: Flags, folder: string): Promise<Explained> {
  const { readPolicyFolder } = await import('../policy/policy-folder.ts')
  const { readPolicySet } = await import('../policy/policy-set.ts')
  const { builtInPolicies } = await import('../policy/built-in.ts')
  const { createPolicyEngine } = await import('../policy/engine.ts')
  const { explain } = await import('../policy/explain.ts')
  const { questionOf } = await import('../policy/stated-question.ts')
  const { files, revision } = await readPolicyFolder(folder)
  const set = await readPolicySet(files, systemClock)
  const question = questionOf(stated(id, flags))
  const all = new Map([...set, ...builtInPolicies(flags)])
  const engine = createPolicyEngine()
  engine.load(all)
  const now = systemClock.now()
  const explanation = await explain(all, engine.decide(question, now), question, now, systemClock)
  const { decision, deciding, nearest } = explanation
  const answer = {
    ...{ entryId: null, owner: flags.owner ?? '' },
    ...{ allowed: decision.allowed, reason: decision.reason },
    deciding: deciding.map(shown),
    nearest: nearest.map(({ policy, missing }) => ({ ...shown(policy), missing })),
  }
  return { revision, answers: [answer] }
}

function shown({ id, place, text }: { id: string; place: string; text: string }) {
  return { id, place, text }
}

function stated(id: string, flags: Flags): StatedQuestion {
  const { auth, address, scope = [], subject, actor, audience, ttl } = flags
  const { owner = '', purpose = '', label = [], resourceOwner, resourceEnv } = flags
  const labels = Object.fromEntries(label.map(parseLabel))
  return {
    action: subject === undefined ? 'issueToken' : 'exchangeToken',
    entry: { id: SpiffeId.parse(id), owner, purpose, labels },
    resource: { id: flags.resource, owner: resourceOwner, env: resourceEnv },
    scopes: scope,
    ttl: ttl === undefined ? undefined : parseDuration(ttl),
    ...{ auth, address, subject, actors: actor, audience },
  }
}

/** What only a folder needs to be told, a server knows. */
const described = [
  ...(['owner', 'purpose', 'label', 'ttl', 'resourceOwner', 'resourceEnv'] as const),
]

async function byServer(io: Io, id: string, flags: Flags): Promise<Explained> {
  const needless = described.find((name) => flags[name] !== undefined)
  if (needless !== undefined || !flags.separateEnvironments) {
    throw new CountersignError('invalid', 'the server knows its entries and resources itself', {
      reason: 'usage',
      fix: 'describe an entry or a resource only with --policies FOLDER',
    })
  }
  const { scope = [], subject, actor = [], audience = '' } = flags
  const answer = await withServer(io, flags, async (channel) => {
    const { createClient } = await import('../rpc/client.ts')
    return createClient('countersign.policy.v1.Policies', channel).unary('Explain', {
      spiffe_id: SpiffeId.parse(id),
      ...{ resource: flags.resource, scopes: [...scope], auth: flags.auth, address: flags.address },
      ...(subject !== undefined && { shown: { subject, audience, actors: [...actor] } }),
    })
  })
  return {
    revision: answer.revision,
    answers: answer.answers.map(({ entry_id: entryId, owner, allowed, reason, ...rest }) => ({
      ...{ entryId, owner, allowed, reason },
      deciding: rest.deciding.map(shown),
      nearest: rest.nearest.map((policy) => ({ ...shown(policy), missing: policy.missing })),
    })),
  }
}
