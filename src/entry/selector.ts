import { CountersignError } from '../errors.ts'
import type { Selector } from './entry.ts'

export const maxSelectors = 64
export const maxSelectorValueBytes = 1024

export const selectorTypePattern: RegExp = /^[a-z0-9_.-]{1,64}$/

/**
 * The selector types that are in use, each with the words that a value of it may begin with (before
 * its first colon; none where a value has no such word). The words are hints to people: others work too.
 */
export const knownSelectorTypes: ReadonlyMap<string, readonly string[]> = new Map([
  [
    'unix',
    ['uid', 'user', 'gid', 'group', 'supplementary_gid', 'supplementary_group', 'path', 'sha256'],
  ],
  ['docker', ['label', 'env', 'image_id', 'image_config_digest']],
  [
    'k8s',
    [
      'ns',
      'ns-label',
      'sa',
      'container-name',
      'container-image',
      'node-name',
      'pod-label',
      'pod-owner',
      'pod-owner-uid',
      'pod-uid',
      'pod-name',
      'pod-image',
      'pod-image-count',
      'pod-init-image',
      'pod-init-image-count',
    ],
  ],
  ['systemd', ['id', 'fragment_path']],
  ['windows', ['user_sid', 'user_name', 'group_sid', 'group_name', 'path', 'sha256']],
  ['slurm', ['job_id', 'sluid', 'step']],
  // Of no attestor: who comes with a token of another issuer (`oauth.federation`) and not from an agent.
  ['oidc', ['issuer']],
  // Of no attestor either: who has a static key (`countersign legacy add`).
  ['legacy', ['net', 'resource', 'scope']],
  ['spiffe_id', []],
  ['join_token', []],
  ['x509pop', []],
  ['sshpop', []],
  ['http_challenge', []],
  ['tpm_devid', []],
  ['k8s_psat', []],
  ['k8s_sat', []],
  ['aws_iid', []],
  ['azure_imds', []],
  ['azure_msi', []],
  ['gcp_iit', []],
])

/** Reads `type:value`; the value may hold colons itself. Throws `invalid`, reasons as `checkSelector`. */
export function parseSelector(text: string): Selector {
  const colon = text.indexOf(':')
  if (colon < 0) {
    throw new CountersignError('invalid', 'a selector is written as type:value', {
      reason: 'selector-syntax',
    })
  }
  return checkSelector({ type: text.slice(0, colon), value: text.slice(colon + 1) })
}

/** A frozen copy of a valid selector. Throws `invalid`: `selector-type` or `selector-value`. */
export function checkSelector(selector: Selector): Selector {
  const { type, value } = selector
  if (!selectorTypePattern.test(type)) {
    throw new CountersignError('invalid', "a selector's type is 1 to 64 of a-z 0-9 _ . -", {
      reason: 'selector-type',
    })
  }
  const problem = problemOfText(value, maxSelectorValueBytes)
  if (value === '' || problem !== undefined) {
    // The value stays out of the text: selectors may hold what a workload keeps in its environment.
    throw new CountersignError(
      'invalid',
      `the value of a selector of type ${type} ${problem ?? 'is empty'}`,
      { reason: 'selector-value' },
    )
  }
  return Object.freeze({ type, value })
}

/** Why the text is refused as a one-line value of at most `maxBytes` of UTF-8; undefined where it is fine. */
export function problemOfText(text: string, maxBytes: number): string | undefined {
  if (text.length > maxBytes || Buffer.byteLength(text) > maxBytes) {
    return `is longer than ${maxBytes} bytes`
  }
  // Two strings that differ in a lone surrogate only become the same bytes on the wire.
  if (!text.isWellFormed()) return 'is not valid Unicode'
  if (/\p{Cc}/u.test(text)) return 'holds a control character'
  return undefined
}

/** `type:value`. */
export function formatSelector(selector: Selector): string {
  return `${selector.type}:${selector.value}`
}

/** By type, then by value, in the order of code units. */
export function compareSelectors(a: Selector, b: Selector): number {
  if (a.type !== b.type) return a.type < b.type ? -1 : 1
  if (a.value !== b.value) return a.value < b.value ? -1 : 1
  return 0
}

/** Sorted, each once. */
export function sortSelectors(selectors: readonly Selector[]): Selector[] {
  // Those of an entry are so already, and there are many entries.
  if (selectors.every((one, at) => follows(selectors[at - 1], one))) return [...selectors]
  const sorted = selectors.toSorted(compareSelectors)
  return sorted.filter((one, at) => follows(sorted[at - 1], one))
}

function follows(previous: Selector | undefined, next: Selector): boolean {
  return previous === undefined || compareSelectors(previous, next) < 0
}

/** One string for one selector, and never the same for two. */
export function selectorKey(selector: Selector): string {
  return `${selector.type}\0${selector.value}`
}
