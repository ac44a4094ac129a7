import { Command } from 'commander'
import type { StatedQuestion } from '../policy/stated-question.ts'
import { systemClock } from '../runtime/clock.ts'
import { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import type { Io } from './io.ts'
import { type Explained, printExplained } from './policy-explained.ts'
import {
  checkForServer,
  type QuestionFlags,
  questionOfFlags,
  withDescriptionFlags,
  withQuestionFlags,
} from './policy-question.ts'
import { formed } from './value-form.ts'

interface Flags extends AdminOptions, QuestionFlags {
  readonly policies?: string
  readonly separateEnvironments: boolean
}

/** `countersign policy explain` */
export function policyExplain(io: Io): Command {
  const command = withQuestionFlags(
    withAdminOptions(
      new Command('explain')
        .description(
          'may this workload have this token, make this call to a vendor, revoke this; and why',
        )
        .argument('[spiffe id]', 'of the workload', formed(SpiffeId.parse)),
    ),
  ).option('--policies <folder>', 'ask these files instead of the server; then, of the entry:')
  return withDescriptionFlags(command)
    .addHelpText(
      'after',
      `
Where nobody permits it, it names up to three policies that nearly would, and what of each is not so.
A no is an answer as a yes is, and ends with 0; a script reads answers[].allowed of -o json, and what has to
hold stands in a file of cases: countersign policy test.

Examples:
  countersign policy explain spiffe://example.org/web --resource https://orders.example.org --scope orders:read
  countersign policy explain spiffe://example.org/web --resource https://orders.example.org --scope orders:read \\
    --policies /etc/countersign/policy --owner shop --label env=prod
  countersign policy explain spiffe://example.org/web --integration https://broker.example.org/crm \\
    --method GET --path /v2/contacts --policies /etc/countersign/policy --owner shop
  countersign policy explain --operator uid:1000 --revoke owner:shop`,
    )
    .action(async (id: string | undefined, flags: Flags) => {
      const { policies } = flags
      if (policies === undefined) checkForServer(flags)
      const said = questionOfFlags(id, flags)
      const explained =
        policies === undefined
          ? await byServer(io, flags, said)
          : await byFolder(said, flags, policies)
      printExplained(io, flags.output, explained)
    })
}

async function byFolder(said: StatedQuestion, flags: Flags, folder: string): Promise<Explained> {
  const { readPolicyFolder } = await import('../policy/policy-folder.ts')
  const { readPolicySet } = await import('../policy/policy-set.ts')
  const { builtInPolicies } = await import('../policy/built-in.ts')
  const { createPolicyEngine } = await import('../policy/engine.ts')
  const { explain } = await import('../policy/explain.ts')
  const { questionOf } = await import('../policy/stated-question.ts')
  const question = questionOf(said)
  const { files, revision } = await readPolicyFolder(folder)
  const set = await readPolicySet(files, systemClock)
  const all = new Map([...set, ...builtInPolicies(flags)])
  const engine = createPolicyEngine()
  engine.load(all)
  const now = systemClock.now()
  const explanation = await explain(all, engine.decide(question, now), question, now, systemClock)
  const { decision, deciding, nearest } = explanation
  const answer = {
    ...{ entryId: null, owner: said.entry?.owner ?? '' },
    ...{ allowed: decision.allowed, reason: decision.reason },
    deciding: deciding.map(shown),
    nearest: nearest.map(({ policy, missing }) => ({ ...shown(policy), missing })),
  }
  return { revision, answers: [answer] }
}

function shown({ id, place, text }: { id: string; place: string; text: string }) {
  return { id, place, text }
}

async function byServer(io: Io, flags: Flags, said: StatedQuestion): Promise<Explained> {
  const { questionOf } = await import('../policy/stated-question.ts')
  // For what it refuses, and what is meant where nothing is said; the rest the server knows better.
  const question = questionOf(said)
  const answer = await withServer(io, flags, async (channel) => {
    const { createClient } = await import('../rpc/client.ts')
    const asker = { spiffe_id: said.entry?.id ?? '', operator: said.operator ?? '' }
    return createClient('countersign.policy.v1.Policies', channel).unary('Explain', {
      ...asker,
      ...(question.action === 'revoke' && { revoke: question.target }),
      ...('resource' in question && {
        ...{ resource: question.resource.id, scopes: [...question.scopes] },
        ...{ auth: question.auth, address: question.address },
      }),
      ...(question.action === 'exchangeToken' && {
        shown: {
          ...{ subject: question.subject, audience: question.audience },
          actors: [...question.actors],
        },
      }),
    })
  })
  return {
    revision: answer.revision,
    answers: answer.answers.map(({ entry_id: entryId, owner, allowed, reason, ...rest }) => ({
      ...{ entryId: entryId === '' ? null : entryId, owner, allowed, reason },
      deciding: rest.deciding.map(shown),
      nearest: rest.nearest.map((policy) => ({ ...shown(policy), missing: policy.missing })),
    })),
  }
}
