import { CountersignError } from '../../src/errors.ts'
import type { VendorQuestion } from '../../src/policy/question.ts'
import { matchesPath } from '../../src/request-target/path-pattern.ts'
import type { Caller } from './caller.ts'
import type { CredentialRecord } from './credentials.ts'
import type { Integration } from './settings.ts'
import { namesIn, type Target } from './target.ts'

/**
 * Whether the integration may be used at all now. Throws `forbidden`: `integration-disabled`, `integration-closed`,
 * `credential-old`.
 */
export function checkOpen(
  { id, disabled, maxAgeSeconds, reopenedAt }: Integration,
  record: CredentialRecord | undefined,
  now: Date,
): void {
  if (disabled) refuse('integration-disabled', `the integration ${id} is disabled`)
  const closedAt = record?.closedAt
  if (closedAt !== undefined && (reopenedAt === undefined || reopenedAt <= closedAt)) {
    refuse('integration-closed', `the integration ${id} has been shut by a revocation`)
  }
  const ageMs = now.getTime() - (record?.since ?? now).getTime()
  if (maxAgeSeconds !== undefined && ageMs > maxAgeSeconds * 1000) {
    refuse('credential-old', `the key of ${id} is older than it may be`)
  }
}

/** What the integration allows of method, path and query. Throws `forbidden`: `method-not-allowed`, `path-not-allowed`, `query-credential`. */
export function checkCall(
  { id, methods, paths, inject }: Integration,
  method: string,
  { path, query }: Target,
): void {
  if (!methods.has(method)) refuse('method-not-allowed', `${id} is not called with this method`)
  if (!paths.some((pattern) => matchesPath(pattern, path))) {
    refuse('path-not-allowed', `this path of ${id} is not called`)
  }
  if (inject.kind === 'query' && namesIn(query).includes(inject.name.toLowerCase())) {
    refuse('query-credential', `the parameter ${inject.name} is the broker’s`)
  }
}

export function questionOf(
  { audience, owner }: Integration,
  { spiffeId, owner: entryOwner, purpose }: Caller,
  call: { readonly method: string; readonly path: string; readonly address: string },
): VendorQuestion {
  return {
    action: 'callVendor',
    entry: { spiffeId, owner: entryOwner, purpose, labels: {} },
    integration: { id: audience, owner },
    ...call,
  }
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('forbidden', message, { reason })
}
