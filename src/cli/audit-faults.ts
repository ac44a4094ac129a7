import type { ChainFault } from '../audit/chain.ts'
import type { HeadReport } from '../audit/head-check.ts'
import type { SignedHead } from '../audit/signed-head.ts'
import type { TrailVerdict } from '../audit/verify-files.ts'
import { CountersignError } from '../errors.ts'

const meanings: Readonly<Record<ChainFault, string>> = {
  'line-changed': 'was changed after it was written',
  'line-out-of-place': 'does not follow the line before it: lines were taken out, put in or moved',
  'end-differs': 'is not the record that --head names: the end was cut off or written anew',
  'head-signature': 'holds a head that is not signed by the key that it names',
  'head-key': 'holds a head by a key that --key does not name and no head before has announced',
  'head-differs': 'is in a trail that is not the one that was signed: it was written anew',
  'head-beyond': 'is not the end: more was signed, and was cut off',
  'front-missing': 'is not the record that the trail has to begin with',
}

/** `invalid`, `audit-…`: what is wrong with the trail, where, and who says so. */
export function brokenTrail({ fault, heads, from }: TrailVerdict): CountersignError {
  if (fault === undefined) throw new Error('the trail is whole')
  const place = `line ${fault.line} of ${fault.file}`
  return new CountersignError('invalid', `${place} ${meanings[fault.kind]}${witness(heads)}`, {
    reason: `audit-${fault.kind}`,
    fix:
      fault.kind === 'front-missing'
        ? `name the older files before it; or say --from ${from.number + 1}, where it begins so on purpose and what came before ends with --head ${from.number}:${from.hash}`
        : 'keep the files as evidence, and compare them with the copy in the store (table audit_records) and in the sinks',
  })
}

function witness(heads: HeadReport | undefined): string {
  const said = heads?.contradicts
  if (said === undefined) return ''
  const { head, time, server, key, chain } = said
  return `; record ${head.number} was signed at ${time.toISOString()} by ${server} (trail ${chain}, key ${key})`
}

/** `invalid` `anchor-other-trail` */
export function noHeadOfTrail({ otherTrails: others, unknownKeys }: HeadReport): CountersignError {
  const trails = others.length === 0 ? '' : `, but of ${listed(others)}`
  const keys =
    unknownKeys.length === 0 ? '' : `; heads by the keys ${unknownKeys.join(' ')} were left out`
  return new CountersignError('invalid', `the anchor has no head of this trail${trails}${keys}`, {
    reason: 'anchor-other-trail',
    fix: 'name the trail that it should be by --chain, its keys by --key, or another anchor',
  })
}

/** `invalid` `anchor-unnamed-trail`: whoever takes a trail away can let the server begin another one. */
export function otherTrails({ otherTrails: others }: HeadReport): CountersignError {
  return new CountersignError(
    'invalid',
    `the anchor has heads of another trail: ${listed(others)}`,
    {
      reason: 'anchor-unnamed-trail',
      fix: 'name it by --other-chain where it is of another server or was ended on purpose, or by --key the keys of this one; else what it had was taken away: see its copies in the sinks and in the store (table audit_records)',
    },
  )
}

const maxListed = 8

function listed(heads: readonly SignedHead[]): string {
  const shown = heads
    .slice(0, maxListed)
    .map(
      ({ chain, head, time, server }) =>
        `${chain} (up to record ${head.number}, ${time.toISOString()}, ${server})`,
    )
  return [...shown, ...(heads.length > maxListed ? ['…'] : [])].join(', ')
}

/** `invalid` `audit-unsigned`: whoever writes a trail anew can leave its heads out. */
export function unsignedTrail(): CountersignError {
  return new CountersignError('invalid', 'the trail holds no head by the key that --key names', {
    reason: 'audit-unsigned',
    fix: 'of a trail that is older than a minute that is as bad as a change: compare it with the copies in the sinks',
  })
}

/** What became of a file that should be a trail. */
export function unreadableTrail(file: string, cause: NodeJS.ErrnoException): CountersignError {
  if (cause instanceof CountersignError) return cause
  const denied = cause.code === 'EACCES' || cause.code === 'EPERM'
  return new CountersignError(denied ? 'forbidden' : 'not-found', `cannot read ${file}`, {
    reason: 'audit-file-unreadable',
    fix: denied ? 'run it as the user who runs the server' : 'name the audit_file of the server',
    cause,
  })
}
