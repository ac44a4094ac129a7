import { CountersignError } from '../../../src/errors.ts'
import { canonicalSegments } from '../../../src/request-target/canonical-path.ts'
import { parameterNames } from './query.ts'

/**
 * What is asked of an integration, in the one form that the policy sees and the vendor gets: whoever reads
 * it, by whatever rules, finds the same path.
 */
export interface Target {
  /** The first segment of what the caller asked for. */
  readonly integration: string
  /** What is behind it: `/v2/contacts`. Escapes only where they are needed, in upper case. */
  readonly path: string
  /** With its `?`, as it came; empty where there is none. */
  readonly query: string
  /** The names of its parameters, decoded. */
  readonly parameters: readonly string[]
}

const maxTargetLength = 8192

/**
 * Reads a request's target: origin-form, or absolute-form that names `origin`. Throws `invalid`: `target-too-large`,
 * `target-form`, `target-authority`, `path-…` (`character`, `encoding`, `encoded-slash`, `double-encoding`,
 * `backslash`, `control`, `parameter`, `dot-segment`, `empty-segment`); as `parameterNames`.
 */
export function readTarget(target: string, origin: string): Target {
  if (target.length > maxTargetLength) {
    refuse('target-too-large', `a target has at most ${maxTargetLength} bytes`)
  }
  const local = target.startsWith('/') ? target : withoutOrigin(target, origin)
  const mark = local.indexOf('?')
  const path = mark < 0 ? local : local.slice(0, mark)
  const query = mark < 0 ? '' : local.slice(mark)
  const [integration = '', ...segments] = canonicalSegments(path)
  if (integration === '') refuse('path-empty-segment', 'the path has an empty segment')
  return {
    ...{ integration, path: `/${segments.join('/')}` },
    ...{ query, parameters: parameterNames(query) },
  }
}

function withoutOrigin(target: string, origin: string): string {
  if (!/^https?:\/\//i.test(target)) refuse('target-form', 'the target is neither a path nor a URL')
  if (!target.startsWith(`${origin}/`)) {
    refuse('target-authority', 'the URL in the target names another place than this')
  }
  return target.slice(origin.length)
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('invalid', message, { reason })
}
