import { isJsonObject } from '../../../src/jwt/strict-json.ts'

/** Whose tokens they are, which says what their claims mean. */
export const issuerKinds = ['github', 'gitlab', 'kubernetes', 'oidc'] as const
export type IssuerKind = (typeof issuerKinds)[number]

/** What a rule may name of the claims of a kind. */
export interface ClaimVocabulary {
  /** Given once and to nobody else after: a rule names at least one of these. */
  readonly identity: ReadonlySet<string>
  /** Said by the issuer, and not enough to know somebody by: these narrow. */
  readonly narrowing: ReadonlySet<string>
  /** What may come to mean somebody else, or whoever sends a job in can choose: with what to write in its place. */
  readonly mutable: ReadonlyMap<string, string>
}

/** Nested claims of a Kubernetes token (the API's TokenRequest) are named by their path. */
const nested = 'kubernetes.io/'

export const vocabularies: Readonly<Record<IssuerKind, ClaimVocabulary>> = {
  github: {
    identity: new Set(['repository_id', 'repository_owner_id']),
    narrowing: new Set([
      ...['ref', 'ref_type', 'ref_protected', 'sha', 'environment', 'event_name'],
      ...['job_workflow_ref', 'job_workflow_sha', 'workflow_ref', 'workflow_sha'],
      ...['runner_environment', 'repository_visibility', 'enterprise_id', 'actor_id'],
    ]),
    mutable: new Map([
      ['repository', 'repository_id'],
      ['repository_owner', 'repository_owner_id'],
      ['enterprise', 'enterprise_id'],
      ['actor', 'actor_id, beside repository_id'],
      ['head_ref', 'ref'],
      ['base_ref', 'ref'],
      ['workflow', 'job_workflow_ref, beside repository_id'],
      ['sub', 'repository_id, and ref or environment'],
    ]),
  },
  gitlab: {
    identity: new Set(['project_id', 'namespace_id']),
    narrowing: new Set([
      ...['ref', 'ref_path', 'ref_type', 'ref_protected', 'sha', 'pipeline_source'],
      ...['environment', 'environment_protected', 'deployment_tier', 'environment_action'],
      ...['ci_config_ref_uri', 'ci_config_sha', 'runner_id', 'runner_environment'],
      ...['project_visibility', 'user_id', 'job_source'],
      // Where the job runs: of a merge request from a fork that may be the project itself, with code of the fork.
      ...['job_project_id', 'job_namespace_id'],
    ]),
    mutable: new Map([
      ['project_path', 'project_id'],
      ['namespace_path', 'namespace_id'],
      ['job_project_path', 'job_project_id, beside project_id'],
      ['job_namespace_path', 'job_namespace_id, beside project_id'],
      ['user_login', 'user_id, beside project_id'],
      ['user_email', 'user_id, beside project_id'],
      ['sub', 'project_id, and ref and ref_protected'],
    ]),
  },
  kubernetes: {
    identity: new Set([`${nested}serviceaccount/uid`]),
    narrowing: new Set([
      ...[`${nested}namespace`, `${nested}serviceaccount/name`],
      ...[`${nested}node/name`, `${nested}node/uid`],
    ]),
    mutable: new Map([
      ['sub', `${nested}serviceaccount/uid, and ${nested}namespace`],
      [`${nested}pod/name`, `${nested}serviceaccount/uid`],
    ]),
  },
  // OpenID Connect Core §2: `sub` is never given to anybody else by the same issuer; of other claims nobody says so.
  oidc: {
    identity: new Set(['sub']),
    narrowing: new Set(['azp', 'client_id', 'tid', 'oid']),
    mutable: new Map([
      ['email', 'sub'],
      ['preferred_username', 'sub'],
      ['name', 'sub'],
    ]),
  },
}

/** The claim of this name as text; undefined where there is none, or it is more than one value. */
export function claimText(
  claims: Readonly<Record<string, unknown>>,
  name: string,
): string | undefined {
  const value = name.startsWith(nested) ? atPath(claims, name) : own(claims, name)
  if (typeof value === 'string') return value
  return typeof value === 'boolean' || Number.isSafeInteger(value) ? String(value) : undefined
}

function atPath(claims: Readonly<Record<string, unknown>>, path: string): unknown {
  let at: unknown = claims
  for (const part of path.split('/')) at = isJsonObject(at) ? own(at, part) : undefined
  return at
}

function own(object: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}
