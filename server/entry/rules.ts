import type { Entry, Selector } from '../../src/entry/entry.ts'
import {
  checkSelector,
  knownSelectorTypes,
  maxSelectors,
  problemOfText,
  sortSelectors,
} from '../../src/entry/selector.ts'
import { CountersignError, type ErrorOptions } from '../../src/errors.ts'
import { nearest } from '../../src/runtime/suggest.ts'
import { isAgentId, isReserved, serverId } from '../../src/spiffe-id/reserved.ts'
import { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { checkDnsNames } from './dns-name.ts'

const maxIdLength = 255
export const maxFederatesWith = 100
const maxHintBytes = 1024
const maxOwnerBytes = 256
const maxPurposeBytes = 256
export const maxLabels = 32
const maxLabelBytes = 256
/** Of the whole entry, as JSON. */
const maxEntryBytes = 65_536

const maxInt32 = 0x7fffffff
const idPattern = /^[A-Za-z0-9._-]+$/
const labelKeyPattern = /^[a-z0-9][a-z0-9._/-]{0,62}$/

/** An entry as somebody asks for it; nothing of it is checked yet. What is absent gets its default. */
export interface EntryInput {
  readonly id?: string | undefined
  readonly spiffeId: string
  readonly parentId: string
  readonly selectors: readonly Selector[]
  readonly x509SvidTtlSeconds?: number | undefined
  readonly jwtSvidTtlSeconds?: number | undefined
  readonly federatesWith?: readonly string[] | undefined
  readonly admin?: boolean | undefined
  readonly downstream?: boolean | undefined
  readonly expiresAt?: Date | undefined
  readonly dnsNames?: readonly string[] | undefined
  readonly storeSvid?: boolean | undefined
  readonly hint?: string | undefined
  readonly disableX509SvidPrefetch?: boolean | undefined
  readonly jwtSvidIncludeJti?: boolean | undefined
  readonly jwtSvidSingleUse?: boolean | undefined
  readonly owner?: string | undefined
  readonly purpose?: string | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** Of a new entry alone: no update enables one, or disables it. */
  readonly disabled?: boolean | undefined
}

export interface RuleContext {
  readonly trustDomain: TrustDomain
  readonly now: Date
  newId(): string
  /** Whether the bundle of this foreign trust domain is here. */
  knowsTrustDomain(trustDomain: TrustDomain): boolean
  /** Selector types of the operator's own attestors, besides those that everyone knows. */
  readonly selectorTypes: readonly string[]
  /** The entry that the input replaces: its id, age and revision are kept, and what it already had may stay. */
  readonly current?: Entry | undefined
}

/**
 * The entry that the input describes: whole, canonical, frozen. Throws `invalid` with the reason
 * `entry-…` or `selector-…` of the first rule that it breaks.
 */
export function checkEntry(input: EntryInput, context: RuleContext): Entry {
  const { current } = context
  const spiffeId = checkSpiffeId(input.spiffeId, context.trustDomain)
  const isProbe = isCapabilityProbe(input, spiffeId)
  const selectors = checkSelectors(input.selectors, isProbe ? undefined : context)
  const storeSvid = input.storeSvid === true
  if (storeSvid && selectors.some(({ type }) => type !== selectors[0]?.type)) {
    throw refused(
      'entry-store-svid',
      'an entry whose SVID is stored has selectors of one type only',
    )
  }
  const entry: Entry = {
    id: current?.id ?? checkId(input.id, context),
    spiffeId,
    parentId: isProbe ? spiffeId : checkParentId(input.parentId, spiffeId, context.trustDomain),
    selectors,
    x509SvidTtlSeconds: checkTtl(input.x509SvidTtlSeconds, 'X.509-SVID'),
    jwtSvidTtlSeconds: checkTtl(input.jwtSvidTtlSeconds, 'JWT-SVID'),
    federatesWith: checkFederatesWith(input.federatesWith ?? [], context),
    admin: input.admin === true,
    downstream: input.downstream === true,
    expiresAt: checkExpiresAt(input.expiresAt, context),
    disabledAt: current === undefined ? disabledFromNow(input, context) : current.disabledAt,
    enabledAt: current?.enabledAt,
    dnsNames: checkDnsNames(input.dnsNames ?? []),
    revision: current === undefined ? 0 : current.revision + 1,
    storeSvid,
    hint: checkText(input.hint, maxHintBytes, 'entry-hint', 'the hint'),
    createdAt: current?.createdAt ?? wholeSeconds(context.now),
    disableX509SvidPrefetch: input.disableX509SvidPrefetch === true,
    // What is good once is told apart by its jti, and no agent keeps what has one.
    jwtSvidIncludeJti: input.jwtSvidIncludeJti === true || input.jwtSvidSingleUse === true,
    jwtSvidSingleUse: input.jwtSvidSingleUse === true,
    owner: checkText(input.owner, maxOwnerBytes, 'entry-owner', 'the owner'),
    purpose: checkText(input.purpose, maxPurposeBytes, 'entry-purpose', 'the purpose'),
    labels: checkLabels(input.labels ?? {}),
  }
  if (mayBeLarge(entry) && Buffer.byteLength(JSON.stringify(entry)) > maxEntryBytes) {
    throw refused('entry-size', `an entry is at most ${maxEntryBytes} bytes as JSON`)
  }
  return Object.freeze(entry)
}

function disabledFromNow({ disabled }: EntryInput, { now }: RuleContext): Date | undefined {
  return disabled === true ? wholeSeconds(now) : undefined
}

/** Whether it is worth making the text: JSON has at most six bytes for a character, and little around each part. */
function mayBeLarge(entry: Entry): boolean {
  let characters = entry.spiffeId.length + entry.parentId.length
  characters += entry.hint.length + entry.owner.length + entry.purpose.length
  for (const { type, value } of entry.selectors) characters += type.length + value.length
  for (const name of entry.federatesWith) characters += name.length
  for (const name of entry.dnsNames) characters += name.length
  const labels = Object.entries(entry.labels)
  for (const [key, value] of labels) characters += key.length + value.length
  const { selectors, federatesWith, dnsNames } = entry
  const parts = selectors.length + federatesWith.length + dnsNames.length + labels.length
  return 6 * characters + 32 * parts + 1024 > maxEntryBytes
}

function checkId(id: string | undefined, context: RuleContext): string {
  if (id === undefined || id === '') return context.newId()
  if (id.length > maxIdLength || !idPattern.test(id)) {
    throw refused('entry-id', `an entry's id is at most ${maxIdLength} of A-Z a-z 0-9 . _ -`)
  }
  return id
}

function parseId(text: string, trustDomain: TrustDomain, reason: string, what: string): SpiffeId {
  const fix = `write it as spiffe://${trustDomain}/<path>`
  let id: SpiffeId
  try {
    id = SpiffeId.parse(text)
  } catch (cause) {
    const why = cause instanceof CountersignError ? `: ${cause.message}` : ''
    throw refused(reason, `${what} is not valid${why}`, { fix, cause })
  }
  if (SpiffeId.trustDomainOf(id) !== trustDomain) {
    throw refused(reason, `${what} is not in the trust domain ${trustDomain}`, { fix })
  }
  if (SpiffeId.pathOf(id) === '') throw refused(reason, `${what} has no path`, { fix })
  return id
}

function checkSpiffeId(text: string, trustDomain: TrustDomain): SpiffeId {
  const id = parseId(text, trustDomain, 'entry-spiffe-id', 'the SPIFFE ID')
  if (isReserved(id)) {
    throw refused('entry-spiffe-id', 'paths below /spire belong to servers and agents', {
      fix: 'choose another path',
    })
  }
  return id
}

function checkParentId(text: string, spiffeId: SpiffeId, trustDomain: TrustDomain): SpiffeId {
  const id = parseId(text, trustDomain, 'entry-parent-id', 'the parent ID')
  if (id === spiffeId) throw refused('entry-parent-id', 'an entry cannot be its own parent')
  if (isReserved(id) && id !== serverId(trustDomain) && !isAgentId(id)) {
    throw refused('entry-parent-id', 'below /spire only the server and agents can be a parent', {
      fix: 'see which agents there are with: countersign agent list',
    })
  }
  return id
}

const probePath = '/spire-controller-manager/unsupported-fields-test'

/**
 * SPIRE's controller manager for Kubernetes finds out which fields a server has by making this entry
 * and deleting it. Its own parent, and of a selector type that nobody has, it can be nobody's.
 */
function isCapabilityProbe(input: EntryInput, spiffeId: SpiffeId): boolean {
  return input.parentId === spiffeId && SpiffeId.pathOf(spiffeId) === probePath
}

/** Without a context the types are not looked at. */
function checkSelectors(
  given: readonly Selector[],
  context: RuleContext | undefined,
): readonly Selector[] {
  if (given.length === 0 || given.length > maxSelectors) {
    throw refused('entry-selectors', `an entry has 1 to ${maxSelectors} selectors`)
  }
  const selectors = sortSelectors(given.map(checkSelector))
  for (const type of new Set(selectors.map((selector) => selector.type))) {
    if (context !== undefined) checkSelectorType(type, context)
  }
  return Object.freeze(selectors)
}

/** What no attestor says of a workload matches nobody: it is a slip of the pen, or needs a word from the operator. */
function checkSelectorType(type: string, { selectorTypes, current }: RuleContext): void {
  if (knownSelectorTypes.has(type) || selectorTypes.includes(type)) return
  if (current?.selectors.some((selector) => selector.type === type) === true) return
  const meant = nearest(type, [...knownSelectorTypes.keys(), ...selectorTypes])
  const question = meant === undefined ? '' : `; did you mean "${meant}"?`
  throw new CountersignError(
    'invalid',
    `no known attestor has selectors of type "${type}"${question}`,
    {
      reason: 'selector-type-unknown',
      fix: "a type that an attestor of your own has is listed in the server's selector_types",
    },
  )
}

function checkTtl(seconds: number | undefined, what: string): number {
  if (seconds === undefined) return 0
  if (!Number.isInteger(seconds) || seconds < 0 || seconds > maxInt32) {
    throw refused('entry-ttl', `the ${what}'s time to live is 0 to ${maxInt32} whole seconds`)
  }
  return seconds
}

function checkFederatesWith(
  names: readonly string[],
  context: RuleContext,
): readonly TrustDomain[] {
  const reason = 'entry-federates-with'
  if (names.length > maxFederatesWith) {
    throw refused(reason, `an entry federates with at most ${maxFederatesWith} trust domains`)
  }
  const checked = names.map((name) => {
    const trustDomain = parseTrustDomain(name)
    if (trustDomain === context.trustDomain) {
      throw refused(reason, 'an entry cannot federate with its own trust domain')
    }
    const had = context.current?.federatesWith.includes(trustDomain) === true
    if (!had && !context.knowsTrustDomain(trustDomain)) {
      throw refused(reason, `there is no bundle of the trust domain ${trustDomain}`, {
        fix: 'get it first, with: countersign federation create, or: countersign bundle set',
      })
    }
    return trustDomain
  })
  return Object.freeze([...new Set(checked)].sort())
}

function parseTrustDomain(name: string): TrustDomain {
  try {
    return TrustDomain.parseIdOrName(name)
  } catch (cause) {
    throw refused('entry-federates-with', 'a trust domain to federate with is not valid', { cause })
  }
}

function checkExpiresAt(at: Date | undefined, context: RuleContext): Date | undefined {
  if (at === undefined) return undefined
  if (Number.isNaN(at.getTime())) throw refused('entry-expires-at', 'the expiry is not a time')
  const whole = wholeSeconds(at)
  const kept = whole.getTime() === context.current?.expiresAt?.getTime()
  if (!kept && whole.getTime() <= context.now.getTime()) {
    throw refused('entry-expires-at', 'the expiry is in the past')
  }
  return whole
}

/** The wire counts in seconds: what does so here too reads the same everywhere. */
export function wholeSeconds(at: Date): Date {
  return new Date(Math.floor(at.getTime() / 1000) * 1000)
}

function checkText(
  text: string | undefined,
  maxBytes: number,
  reason: string,
  what: string,
): string {
  const problem = problemOfText(text ?? '', maxBytes)
  if (problem !== undefined) throw refused(reason, `${what} ${problem}`)
  return text ?? ''
}

function checkLabels(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const reason = 'entry-labels'
  const pairs = Object.entries(labels)
  if (pairs.length > maxLabels) throw refused(reason, `an entry has at most ${maxLabels} labels`)
  for (const [key, value] of pairs) {
    if (!labelKeyPattern.test(key)) {
      throw refused(
        reason,
        "a label's key is 1 to 63 of a-z 0-9 . _ / - and begins with a letter or a digit",
      )
    }
    const problem = problemOfText(value, maxLabelBytes)
    if (problem !== undefined) throw refused(reason, `the value of the label ${key} ${problem}`)
  }
  return Object.freeze(Object.fromEntries(pairs.sort(([a], [b]) => (a < b ? -1 : 1))))
}

function refused(
  reason: string,
  message: string,
  why: Pick<ErrorOptions, 'fix' | 'cause'> = {},
): CountersignError {
  return new CountersignError('invalid', message, { reason, ...why })
}
