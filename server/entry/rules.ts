import type { Entry } from '../../src/entry/entry.ts'
import { problemOfText } from '../../src/entry/selector.ts'
import { wholeSeconds } from '../../src/runtime/instant.ts'
import { checkDnsNames } from './dns-name.ts'
import type { EntryInput, RuleContext } from './entry-input.ts'
import { checkFederatesWith } from './federates-with.ts'
import { checkId, checkParentId, checkSpiffeId, isCapabilityProbe } from './ids.ts'
import { checkLabels } from './labels.ts'
import { refusedEntry } from './refused-entry.ts'
import { checkSelectors } from './selectors.ts'

const maxHintBytes = 1024
const maxOwnerBytes = 256
const maxPurposeBytes = 256
/** Of the whole entry, as JSON. */
const maxEntryBytes = 65_536
const maxInt32 = 0x7fffffff

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
    throw refusedEntry(
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
    throw refusedEntry('entry-size', `an entry is at most ${maxEntryBytes} bytes as JSON`)
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

function checkTtl(seconds: number | undefined, what: string): number {
  if (seconds === undefined) return 0
  if (!Number.isInteger(seconds) || seconds < 0 || seconds > maxInt32) {
    throw refusedEntry('entry-ttl', `the ${what}'s time to live is 0 to ${maxInt32} whole seconds`)
  }
  return seconds
}

function checkExpiresAt(at: Date | undefined, context: RuleContext): Date | undefined {
  if (at === undefined) return undefined
  if (Number.isNaN(at.getTime())) throw refusedEntry('entry-expires-at', 'the expiry is not a time')
  const whole = wholeSeconds(at)
  const kept = whole.getTime() === context.current?.expiresAt?.getTime()
  if (!kept && whole.getTime() <= context.now.getTime()) {
    throw refusedEntry('entry-expires-at', 'the expiry is in the past')
  }
  return whole
}

function checkText(
  text: string | undefined,
  maxBytes: number,
  reason: string,
  what: string,
): string {
  const problem = problemOfText(text ?? '', maxBytes)
  if (problem !== undefined) throw refusedEntry(reason, `${what} ${problem}`)
  return text ?? ''
}
