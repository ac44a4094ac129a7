import { existsSync } from 'node:fs'
import { Command, Option } from 'commander'
import type { ServerFigures, TrailFigures } from '../report/figures.ts'
import type { RpcChannel } from '../rpc/dial.ts'
import { systemClock } from '../runtime/clock.ts'
import { adminSocketOption, devSockets, withServer } from './admin.ts'
import { unreadableTrail } from './audit-faults.ts'
import { parseTime } from './audit-filter.ts'
import { noteBroken } from './audit-search.ts'
import { everyEntry } from './entry-list.ts'
import type { Io } from './io.ts'
import { everyCaller, liveKeys } from './legacy.ts'
import { printJson } from './output.ts'
import { reportMarkdown, reportText } from './report-view.ts'
import { usage } from './usage.ts'

const formats = ['text', 'markdown', 'json'] as const
const frameworkIds = ['nhi', 'csf', 'ai-rmf'] as const

interface Options {
  readonly trail?: string
  readonly since?: Date
  readonly adminSocket?: string
  readonly framework?: readonly string[]
  readonly format: (typeof formats)[number]
}

/** `countersign report` */
export function reportVerb(io: Io): Command {
  return new Command('report')
    .description(
      'what answers the rows of OWASP NHI Top 10, NIST CSF 2.0 PR.AA and NIST AI RMF now',
    )
    .option('--trail <file>', 'the audit_file of a server; its numbered files are read too')
    .option('--since <time>', 'only records from then on: 2026-06-01, 30d', parseTime)
    .addOption(adminSocketOption())
    .option('--framework <id>', `${frameworkIds.join(', ')}; repeat; all by default`, addFramework)
    .addOption(new Option('--format <format>', formats.join(', ')).choices(formats).default('text'))
    .addHelpText(
      'after',
      `
Each row says what was found in the trail and at the server, which tests hold it, and what is not covered.
LOOK marks what somebody should look at. It certifies nothing.

Example:
  countersign report --trail /var/lib/countersign/server/audit.log --since 30d --format markdown > report.md`,
    )
    .action(async (options: Options) => {
      const { frameworks, report } = await import('../report/report.ts')
      const chosen = frameworks.filter(({ id }) => options.framework?.includes(id) ?? true)
      const trail = await trailFigures(io, options)
      const server = await serverFigures(io, options)
      const reports = report(chosen, { trail, server })
      if (options.format === 'json') printJson(io, { trail: period(trail), reports })
      else if (options.format === 'markdown') io.write(`${reportMarkdown(reports)}\n`)
      else io.write(`${reportText(reports)}\n`)
    })
}

function period(trail: TrailFigures | undefined): object | null {
  return trail === undefined
    ? null
    : { records: trail.records, from: trail.from ?? null, to: trail.to ?? null }
}

async function trailFigures(io: Io, { trail, since }: Options): Promise<TrailFigures | undefined> {
  if (trail === undefined) {
    io.note('the trail was not asked: name it with --trail')
    return undefined
  }
  const { readTrailFigures } = await import('../report/figures.ts')
  const { signal } = io
  let broken = 0
  const onBroken = (): void => {
    broken += 1
  }
  const reading = readTrailFigures(trail, { since }, onBroken, signal).catch(
    (error: NodeJS.ErrnoException) => {
      signal.throwIfAborted()
      throw unreadableTrail(trail, error)
    },
  )
  const figures = await io.progress('reading the trail', reading)
  noteBroken(io, trail, broken)
  return figures
}

/** One that is named has to be there; else the report goes without. */
async function serverFigures(io: Io, options: Options): Promise<ServerFigures | undefined> {
  const { adminSocket } = options
  if (adminSocket === undefined && !existsSync(devSockets(io.env).admin)) {
    io.note('the server was not asked: name its socket with --admin-socket')
    return undefined
  }
  const admin = adminSocket === undefined ? {} : { adminSocket }
  return withServer(io, { ...admin, output: 'json' }, (channel) =>
    io.progress('asking the server', figuresOf(channel)),
  )
}

async function figuresOf(channel: RpcChannel): Promise<ServerFigures> {
  const entries = await everyEntry(channel, {})
  const byId = Map.groupBy(entries, ({ entry }) => JSON.stringify(entry?.spiffe_id))
  const count = (is: (one: (typeof entries)[number]) => boolean): number =>
    entries.filter(is).length
  return {
    entries: entries.length,
    withoutOwner: count(({ owner }) => owner === ''),
    withoutPurpose: count(({ purpose }) => purpose === ''),
    withoutEnd: count(({ entry }) => entry?.expires_at === '0'),
    disabled: count(({ disabled_at }) => disabled_at !== '0'),
    sharedIds: [...byId.values()].filter(({ length }) => length > 1).length,
    adminEntries: count(({ entry }) => entry?.admin === true),
    ...(await countGrants(channel)),
    relationships: await countRelationships(channel),
    ...liveKeys(await everyCaller(channel), systemClock.now()),
  }
}

async function countGrants(
  channel: RpcChannel,
): Promise<Pick<ServerFigures, 'grants' | 'moreGrants'>> {
  const { createClient } = await import('../rpc/client.ts')
  const client = createClient('countersign.oauth.v1.Grants', channel)
  const { grants, more } = await client.unary('List', { filter: {} })
  return { grants: grants.length, moreGrants: more }
}

async function countRelationships(channel: RpcChannel): Promise<number> {
  const { createClient } = await import('../rpc/client.ts')
  const client = createClient('spire.api.server.trustdomain.v1.TrustDomain', channel)
  const { federation_relationships } = await client.unary('ListFederationRelationships', {})
  return federation_relationships.length
}

/** Throws `invalid` / `usage`. */
function addFramework(text: string, before: readonly string[] = []): readonly string[] {
  if (frameworkIds.some((id) => id === text)) return [...before, text]
  throw usage(`no such framework: ${text}`, `use ${frameworkIds.join(', ')}`)
}
