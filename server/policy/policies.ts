import { randomUUID } from 'node:crypto'
import {
  preparsePolicySet,
  preparseSchema,
  statefulIsAuthorized,
} from '@cedar-policy/cedar-wasm/nodejs'
import type { AuditEvent } from '../../src/audit/event.ts'
import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import { type PolicyFolder, readPolicyFolder } from '../../src/policy/policy-folder.ts'
import { type PolicySet, readPolicySet } from '../../src/policy/policy-set.ts'
import { cedarSchema } from '../../src/policy/schema.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'

/** May this workload have a token for this resource with all of these scopes? */
export interface TokenQuestion {
  readonly entry: Pick<Entry, 'spiffeId' | 'owner' | 'purpose' | 'labels'>
  readonly resource: string
  readonly scopes: readonly string[]
  readonly ttlSeconds: number
  readonly auth: string
}

export interface Decision {
  readonly allowed: boolean
  /** `policy-none`: no policy permits it; `policy-forbids`; `policy-error`: one could not be evaluated. */
  readonly reason: 'policy-permits' | 'policy-none' | 'policy-forbids' | 'policy-error'
  /** Those that decided. */
  readonly policies: readonly string[]
}

export interface Policies {
  decide(question: TokenQuestion): Decision
  /** SHA-256 of what is in force. */
  readonly revision: string
  /** One look at the folder; `run` does it each second. */
  look(): Promise<void>
  run(signal: AbortSignal): Promise<void>
}

export interface PoliciesDeps {
  readonly folder: string
  readonly append: (events: readonly AuditEvent[]) => Promise<unknown>
  readonly clock: Clock
  readonly log: Log
}

const lookMs = 1000

/**
 * Loads the folder's policies and puts them on record. Later changes come into force once the folder has been the
 * same for two looks; what is unsound is refused, and what was in force stays. Throws as `readPolicyFolder` and
 * `readPolicySet`, and what `append` throws.
 */
export async function openPolicies(deps: PoliciesDeps): Promise<Policies> {
  const { folder, append, clock, log } = deps
  // Cedar keeps what was parsed by name, for the whole process.
  const name = randomUUID()
  parsed(preparseSchema(name, cedarSchema))
  let revision = ''
  let seen = ''
  let refused = ''

  const putInForce = async (set: PolicySet, sha256: string): Promise<void> => {
    await append([event('policy.loaded', sha256, { policies: set.size })])
    parsed(preparsePolicySet(name, { staticPolicies: Object.fromEntries(set) }))
    revision = sha256
    log.info('policies are in force', { folder, policies: set.size, revision })
  }
  const event = (
    kind: 'policy.loaded' | 'policy.refused',
    sha256: string,
    details: Record<string, string | number>,
    reason?: string,
  ): AuditEvent => ({
    kind,
    time: clock.now(),
    actor: { kind: 'server' },
    decision: kind === 'policy.loaded' ? 'allow' : 'deny',
    reason,
    details: { ...details, revision: sha256 },
  })
  const refuse = async (sha256: string, error: unknown): Promise<void> => {
    log.error('the policies are kept as they were: the new ones cannot be used', { folder, error })
    const reason = error instanceof CountersignError ? error.reason : 'internal'
    await append([event('policy.refused', sha256, { inForce: revision }, reason)])
  }
  const look = async (): Promise<void> => {
    let found: PolicyFolder
    try {
      found = await readPolicyFolder(folder)
    } catch (error) {
      if (seen !== 'unreadable') await refuse('unreadable', error)
      seen = 'unreadable'
      return
    }
    // Half of what somebody is writing just now may lack the policy that forbids.
    const settled = found.revision === seen
    seen = found.revision
    if (!settled || found.revision === revision || found.revision === refused) return
    let set: PolicySet
    try {
      set = readPolicySet(found.files)
    } catch (error) {
      await refuse(found.revision, error)
      refused = found.revision
      return
    }
    await putInForce(set, found.revision)
  }
  const first = await readPolicyFolder(folder)
  await putInForce(readPolicySet(first.files), first.revision)
  return {
    decide: (question) => decide(name, question),
    get revision() {
      return revision
    },
    look,
    async run(signal) {
      while (!signal.aborted) {
        await clock.sleep(lookMs, signal)
        await look().catch((error: unknown) =>
          log.error('the policies were not looked at', { error }),
        )
      }
    },
  }
}

function decide(name: string, question: TokenQuestion): Decision {
  const { entry, resource, scopes, ttlSeconds, auth } = question
  const { spiffeId, owner, purpose, labels } = entry
  const principal = { type: 'Workload', id: spiffeId as string }
  const answer = statefulIsAuthorized({
    principal,
    action: { type: 'Action', id: 'issueToken' },
    resource: { type: 'Api', id: resource },
    context: { scopes: [...scopes], ttl: ttlSeconds, auth },
    preparsedSchemaName: name,
    preparsedPolicySetId: name,
    validateRequest: true,
    entities: [
      {
        uid: principal,
        attrs: { path: SpiffeId.pathOf(spiffeId), owner, purpose },
        parents: [],
        tags: { ...labels },
      },
    ],
  })
  if (answer.type === 'failure') return { allowed: false, reason: 'policy-error', policies: [] }
  const { decision, diagnostics } = answer.response
  // Cedar leaves out a policy that fails: of one that forbids nothing would be left but the permission.
  if (diagnostics.errors.length > 0) {
    const policies = diagnostics.errors.map(({ policyId }) => policyId).sort()
    return { allowed: false, reason: 'policy-error', policies }
  }
  const policies = [...diagnostics.reason].sort()
  if (decision === 'allow') return { allowed: true, reason: 'policy-permits', policies }
  return {
    allowed: false,
    reason: policies.length > 0 ? 'policy-forbids' : 'policy-none',
    policies,
  }
}

function parsed(answer: { readonly type: 'success' | 'failure' }): void {
  if (answer.type === 'success') return
  throw new CountersignError('internal', 'what was checked cannot be loaded', {
    reason: 'policy-load',
  })
}
