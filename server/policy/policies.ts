import type { AuditEvent } from '../../src/audit/event.ts'
import { CountersignError } from '../../src/errors.ts'
import { builtInPolicies } from '../../src/policy/built-in.ts'
import { createPolicyEngine } from '../../src/policy/engine.ts'
import { type Explanation, explain } from '../../src/policy/explain.ts'
import type { PolicyFolder } from '../../src/policy/policy-folder.ts'
import { type PolicySet, readPolicySet } from '../../src/policy/policy-set.ts'
import type { Decision, PolicyQuestion } from '../../src/policy/question.ts'
import { type Clock, sleepUnlessWoken } from '../../src/runtime/clock.ts'
import { createListeners } from '../../src/runtime/listeners.ts'
import type { Log } from '../../src/runtime/log.ts'
import type { PolicySource } from './policy-source.ts'

export interface Policies {
  /** By the policies that are in force now, of a question at this time, or another. Never throws: what cannot be decided is denied. */
  decide(question: PolicyQuestion, at?: Date): Decision
  /** Decides, and says why. */
  explain(question: PolicyQuestion): Promise<Explanation>
  /** Calls back when others have come into force; the result ends that. */
  onChange(listener: () => void): () => void
  /** SHA-256 of what is in force; empty before anything was. */
  readonly revision: string
  /** One look at the source; `run` does it each second, and when it is woken. */
  look(): Promise<void>
  wake(): void
  run(signal: AbortSignal): Promise<void>
}

export interface PoliciesDeps {
  readonly source: PolicySource
  /** Whether what is for one environment is refused to entries of another. */
  readonly separateEnvironments: boolean
  readonly append: (events: readonly AuditEvent[]) => Promise<unknown>
  readonly clock: Clock
  readonly log: Log
}

const lookMs = 1000

/**
 * Loads the source's policies and puts them on record. Later changes of a folder come into force once it has been the
 * same for two looks; what is unsound is refused, and what was in force stays. At first that is nothing: a folder that
 * is unsound then throws as `readPolicyFolder` and `readPolicySet`; what the store holds is refused, so that others can
 * be applied. Throws what `append` throws.
 */
export async function openPolicies(deps: PoliciesDeps): Promise<Policies> {
  const { source, append, clock, log } = deps
  const engine = createPolicyEngine()
  const builtIn = builtInPolicies(deps)
  let inForce: PolicySet = builtIn
  let revision = ''
  let seen = ''
  let refused = ''
  let woken = new AbortController()
  const listeners = createListeners()

  const putInForce = async (set: PolicySet, sha256: string): Promise<void> => {
    await append([event('policy.loaded', sha256, { policies: set.size })])
    inForce = new Map([...set, ...builtIn])
    engine.load(inForce)
    revision = sha256
    listeners.tell()
    log.info('policies are in force', { source: source.name, policies: set.size, revision })
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
    policyRevision: sha256,
    details,
  })
  const refuse = async (sha256: string, error: unknown): Promise<void> => {
    log.error('the policies are kept as they were: the new ones cannot be used', {
      source: source.name,
      error,
    })
    const reason = error instanceof CountersignError ? error.reason : 'internal'
    await append([event('policy.refused', sha256, { inForce: revision }, reason)])
  }
  const look = async (): Promise<void> => {
    let found: PolicyFolder
    try {
      found = await source.read()
    } catch (error) {
      if (seen !== 'unreadable') await refuse('unreadable', error)
      seen = 'unreadable'
      return
    }
    // Half of what somebody is writing just now may lack the policy that forbids.
    const settled = source.isWhole || found.revision === seen
    seen = found.revision
    if (!settled || found.revision === revision || found.revision === refused) return
    let set: PolicySet
    try {
      set = await readPolicySet(found.files, clock)
    } catch (error) {
      await refuse(found.revision, error)
      refused = found.revision
      return
    }
    await putInForce(set, found.revision)
  }
  engine.load(inForce)
  if (source.isWhole) await look()
  else {
    const first = await source.read()
    await putInForce(await readPolicySet(first.files, clock), first.revision)
  }
  return {
    decide: (question, at = clock.now()) => engine.decide(question, at),
    onChange: listeners.add,
    explain(question) {
      const now = clock.now()
      return explain(inForce, engine.decide(question, now), question, now, clock)
    },
    get revision() {
      return revision
    },
    look,
    wake: () => woken.abort(),
    async run(signal) {
      while (!signal.aborted) {
        await sleepUnlessWoken(clock, lookMs, woken.signal, signal)
        woken = new AbortController()
        await look().catch((error: unknown) =>
          log.error('the policies were not looked at', { error }),
        )
      }
    },
  }
}
