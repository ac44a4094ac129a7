import { CountersignError } from '../../src/errors.ts'
import { policyRevision, readPolicySet } from '../../src/policy/policy-set.ts'
import type { ApplyRequest } from '../../src/rpc/gen/countersign/policy/v1/ApplyRequest.ts'
import type { ShowRequest } from '../../src/rpc/gen/countersign/policy/v1/ShowRequest.ts'
import type { Version$Input } from '../../src/rpc/gen/countersign/policy/v1/Version.ts'
import { type RpcHandler, unary } from '../../src/rpc/handler.ts'
import type { Caller } from '../access/caller.ts'
import { addPolicySet, type PolicyVersion, policySets } from '../store/policy-sets.ts'
import { type ApiDeps, actOf } from './deps.ts'

export interface StoredPolicyDeps
  extends Pick<ApiDeps, 'store' | 'changes' | 'clock' | 'policiesInStore'> {}

const maxShown = 100
const maxFiles = 256
const namePattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\.cedar$/

/** Those of countersign.policy.v1.Policies that are about the store. */
export function storedPolicyHandlers(deps: StoredPolicyDeps): Record<string, RpcHandler<Caller>> {
  const { store, changes, clock } = deps
  return {
    Apply: unary(async ({ files }: ApplyRequest, { caller }) => {
      checkInStore(deps)
      checkNames(files.map(({ name }) => name))
      const plain = files.map(({ name, text }) => ({ name, text }))
      const revision = policyRevision(plain)
      const policies = await readPolicySet(plain, clock)
      const set = { revision, files: plain, appliedAt: clock.now(), appliedBy: nameOf(caller) }
      const { version, changed, position } = await store.write(async (tx) => {
        const added = await addPolicySet(tx, set)
        if (tx.lastChange > 0) {
          tx.audit({
            kind: 'policy.applied',
            time: set.appliedAt,
            ...actOf(caller),
            decision: 'allow',
            policyRevision: revision,
            details: { version: added.version, policies: policies.size },
          })
        }
        return { version: added, changed: tx.lastChange > 0, position: tx.lastChange }
      })
      await changes.reached(position)
      return { version: versionMessage(version), changed }
    }),
    Show: unary(async ({ version }: ShowRequest) => {
      checkInStore(deps)
      const [found] = await policySets(store.db, { limit: 1, ...(version > 0 && { version }) })
      if (found === undefined || (version > 0 && found.version !== version)) {
        throw new CountersignError('not-found', 'there is no such version of the policies', {
          reason: 'policy-version',
          fix: 'see "countersign policy history", or apply a folder with "countersign policy apply"',
        })
      }
      return { version: versionMessage(found), files: found.files.map((file) => ({ ...file })) }
    }),
    History: unary(async () => {
      checkInStore(deps)
      const versions = await policySets(store.db, { limit: maxShown })
      return { versions: versions.map(versionMessage) }
    }),
  }
}

/** Throws `conflict` `policy-not-in-store`. */
function checkInStore({ policiesInStore }: StoredPolicyDeps): void {
  if (policiesInStore) return
  throw new CountersignError('conflict', 'this server takes its policies from no store', {
    reason: 'policy-not-in-store',
    fix: 'set oauth.policy to store, or change the files of the folder that it names',
  })
}

/** Throws `invalid` `policy-files`. */
function checkNames(names: readonly string[]): void {
  const sorted = names.toSorted()
  const sound = names.every((name, n) => namePattern.test(name) && name === sorted[n])
  const fits = names.length > 0 && names.length <= maxFiles
  if (sound && fits && new Set(names).size === names.length) return
  throw new CountersignError('invalid', 'these are not the files of one folder', {
    reason: 'policy-files',
    fix: `give at most ${maxFiles} files NAME.cedar, each once, in the order of their names`,
  })
}

function nameOf({ actor }: Caller): string {
  return actor.id ?? `${actor.kind} uid ${actor.uid}`
}

function versionMessage(set: PolicyVersion): Version$Input {
  const { version, revision, appliedAt, appliedBy, files } = set
  return {
    ...{ version, revision, files: files.length },
    ...{ applied_at_ms: appliedAt.getTime(), applied_by: appliedBy },
  }
}
