import type { Kysely } from 'kysely'
import { CountersignError } from '../../src/errors.ts'
import type { PolicyFolder } from '../../src/policy/policy-folder.ts'
import { policyRevision } from '../../src/policy/policy-set.ts'
import { lastPolicySet, lastPolicyVersion } from '../store/policy-sets.ts'
import type { Schema } from '../store/schema.ts'
import type { PolicySource } from './policy-source.ts'

/** What was applied last; nothing where nothing ever was. Reading throws `conflict`: `policy-seal`, `policy-version-back`. */
export function storeSource(db: Kysely<Schema>): PolicySource {
  let last = { version: 0, files: [], revision: policyRevision([]) } as PolicyFolder & {
    readonly version: number
  }
  return {
    name: 'the store',
    isWhole: true,
    async read() {
      const version = await lastPolicyVersion(db)
      if (version === last.version) return last
      if (version < last.version) {
        throw refusal('policy-version-back', `version ${last.version} of the policies is gone`)
      }
      const set = await lastPolicySet(db)
      if (set === undefined) {
        throw refusal(
          'policy-seal',
          `version ${version} of the policies was written by nobody here`,
        )
      }
      last = set
      return set
    },
  }
}

function refusal(reason: string, message: string): CountersignError {
  return new CountersignError('conflict', message, {
    reason,
    fix: 'find out who can write to the database, and apply the policies again',
  })
}
