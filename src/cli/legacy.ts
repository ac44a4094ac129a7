import { Command } from 'commander'
import { CountersignError } from '../errors.ts'
import type { ServerFigures } from '../report/figures.ts'
import type { RpcChannel } from '../rpc/dial.ts'
import type { Caller } from '../rpc/gen/countersign/legacy/v1/Caller.ts'
import { systemClock } from '../runtime/clock.ts'
import { parseDuration } from '../runtime/duration.ts'
import { checkPrivateFile } from '../runtime/private-file.ts'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import { parseLabel, repeat } from './entry-flags.ts'
import { everyPage } from './every-page.ts'
import type { Io } from './io.ts'
import { printRecord, printRows, relativeTime } from './output.ts'
import { eachFormed } from './value-form.ts'

interface AddOptions extends AdminOptions {
  readonly owner: string
  readonly purpose: string
  readonly label?: readonly string[]
  readonly network: readonly string[]
  readonly resource: string
  readonly scope: readonly string[]
  readonly expires: number
  readonly keyFile?: string
}

/** `countersign legacy add` */
export function legacyAdd(io: Io): Command {
  return withAdminOptions(
    new Command('add')
      .description('let in somebody who can send nothing but a static key, until a day')
      .argument('<name>', 'of the caller; its ID is spiffe://TRUST DOMAIN/legacy/NAME'),
  )
    .requiredOption('--owner <name>', 'who answers for it, and ends it')
    .requiredOption('--purpose <text>', 'what it is for')
    .requiredOption('--network <cidr>', 'where it comes from; repeat for more', repeat)
    .requiredOption('--resource <id>', 'what its tokens are for')
    .requiredOption('--scope <scope>', 'that its tokens may have; repeat for more', repeat)
    .requiredOption('--expires <duration>', 'when it ends, at most 90d from now', parseDuration)
    .option('--label <key=value>', 'for policies; repeat for more', eachFormed(parseLabel))
    .option('--key-file <path>', 'holds the key that it has; else one is made, and shown once')
    .addHelpText(
      'after',
      `
A policy has to permit it too, and oauth.legacy_edges of the server to name the proxy that changes the key for a token,
which lives for a minute.

Example:
  countersign legacy add till-7 --owner shops --purpose "old tills" --network 10.7.0.0/16 \\
    --resource https://orders.example.org --scope orders:read --expires 30d`,
    )
    .action(async (name: string, options: AddOptions) => {
      const { owner, purpose, label = [], network, resource, scope } = options
      const key = options.keyFile === undefined ? '' : await readKey(options.keyFile)
      const expiresAt = systemClock.now().getTime() + options.expires * 1000
      const answer = await call(io, options, (client) =>
        client.unary('Add', {
          key,
          caller: {
            ...{ name, owner, purpose, resource, networks: [...network], scopes: [...scope] },
            ...{ labels: Object.fromEntries(label.map(parseLabel)), expires_at_ms: expiresAt },
          },
        }),
      )
      if (answer.caller === null) return
      const made = answer.key === '' ? {} : { key: answer.key }
      printRecord(io, options.output, { ...json(answer.caller), ...made }, [
        ['id', answer.caller.spiffe_id],
        ['expires', dateOf(answer.caller.expires_at_ms)?.toISOString() ?? '-'],
        ...(answer.key === '' ? [] : [['key', answer.key] as const]),
      ])
      if (answer.key !== '')
        io.note('this key is shown once: give it to the caller, keep it nowhere')
      if (answer.no_edges)
        io.note('note: the key opens nothing yet: oauth.legacy_edges is empty at this server')
    })
}

/** `countersign legacy list` */
export function legacyList(io: Io): Command {
  return withAdminOptions(new Command('list').description('callers with static keys'))
    .option(
      '--unused <duration>',
      'only those that are older, and were not used for so long',
      parseDuration,
    )
    .addHelpText('after', '\nExample:\n  countersign legacy list --unused 14d')
    .action(async (options: AdminOptions & { readonly unused?: number }) => {
      const now = systemClock.now()
      const callers = await withServer(io, options, everyCaller)
      const since = now.getTime() - (options.unused ?? 0) * 1000
      const shown = callers.filter(
        (one) => options.unused === undefined || isUnusedSince(one, since),
      )
      printRows(
        io,
        options.output,
        shown,
        [
          { title: 'NAME', text: ({ name }) => name },
          { title: 'OWNER', text: ({ owner }) => owner },
          { title: 'NETWORKS', text: ({ networks }) => networks.join(' ') },
          { title: 'RESOURCE', text: ({ resource }) => resource },
          { title: 'SCOPES', text: ({ scopes }) => scopes.join(' ') },
          { title: 'LAST USED', text: (one) => relativeTime(dateOf(one.last_used_at_ms), now) },
          { title: 'ENDS', text: (one) => relativeTime(dateOf(one.expires_at_ms), now) },
          {
            title: 'STATE',
            text: stateOf,
          },
        ],
        json,
      )
    })
}

/** `countersign legacy remove` */
export function legacyRemove(io: Io): Command {
  return withAdminOptions(
    new Command('remove')
      .description('end one: its key, and the tokens that it got for it, are dead at once')
      .argument('<name>'),
  )
    .addHelpText('after', '\nExample:\n  countersign legacy remove till-7')
    .action(async (name: string, options: AdminOptions) => {
      const { caller } = await call(io, options, (client) => client.unary('Remove', { name }))
      if (caller === null) return
      printRecord(io, options.output, json(caller), [['removed', caller.spiffe_id]])
    })
}

export async function everyCaller(channel: RpcChannel): Promise<readonly Caller[]> {
  const client = await clientOf(channel)
  const pages = await everyPage((page_token) =>
    client.unary('List', { page_size: 1000, page_token }),
  )
  return pages.flatMap((page) => page.callers)
}

async function call<T>(
  io: Io,
  options: AdminOptions,
  work: (client: Awaited<ReturnType<typeof clientOf>>) => Promise<T>,
): Promise<T> {
  return withServer(io, options, async (channel) => work(await clientOf(channel)))
}

async function clientOf(channel: RpcChannel) {
  const { createClient } = await import('../rpc/client.ts')
  return createClient('countersign.legacy.v1.Legacy', channel)
}

/** Throws `forbidden` `legacy-key-mode`, `not-found` `legacy-key-file`. */
async function readKey(path: string): Promise<string> {
  const { open } = await import('node:fs/promises')
  const file = await open(path).catch(unreadable)
  try {
    checkPrivateFile(path, await file.stat(), 'legacy-key-mode')
    return (await file.readFile('utf8').catch(unreadable)).trim()
  } finally {
    await file.close()
  }

  function unreadable(cause: unknown): never {
    throw new CountersignError('not-found', `cannot read ${path}`, {
      reason: 'legacy-key-file',
      fix: 'let --key-file name a file of mode 600 that this process may read, and that holds the key alone',
      cause,
    })
  }
}

const idleMs = 14 * 86_400_000

/** Of those whose key opens something: how many there are, when the last ends, and how many have not been used for two weeks. */
export function liveKeys(
  callers: readonly Pick<
    Caller,
    'created_at_ms' | 'last_used_at_ms' | 'expires_at_ms' | 'revoked_at_ms' | 'disabled_at_ms'
  >[],
  now: Date,
): Pick<ServerFigures, 'staticKeys' | 'idleStaticKeys' | 'lastKeyEnd'> {
  const live = callers.filter(
    (one) => stateOf(one) === 'enabled' && Number(one.expires_at_ms) > now.getTime(),
  )
  const lastEndMs = Math.max(...live.map(({ expires_at_ms }) => Number(expires_at_ms)))
  return {
    staticKeys: live.length,
    idleStaticKeys: live.filter((one) => isUnusedSince(one, now.getTime() - idleMs)).length,
    lastKeyEnd: live.length === 0 ? undefined : new Date(lastEndMs),
  }
}

/** One that was added since has had no time to be used. */
export function isUnusedSince(
  { created_at_ms, last_used_at_ms }: Pick<Caller, 'created_at_ms' | 'last_used_at_ms'>,
  ms: number,
): boolean {
  return Number(created_at_ms) < ms && Number(last_used_at_ms) < ms
}

function stateOf({
  revoked_at_ms,
  disabled_at_ms,
}: Pick<Caller, 'revoked_at_ms' | 'disabled_at_ms'>): 'revoked' | 'enabled' | 'disabled' {
  if (revoked_at_ms !== '0') return 'revoked'
  return disabled_at_ms === '0' ? 'enabled' : 'disabled'
}

function json(caller: Caller): Readonly<Record<string, unknown>> {
  const { name, owner, purpose, labels, networks, resource, scopes } = caller
  return {
    ...{ name, spiffeId: caller.spiffe_id, entryId: caller.entry_id, owner, purpose, labels },
    ...{ networks, resource, scopes },
    createdAt: dateOf(caller.created_at_ms)?.toISOString() ?? null,
    expiresAt: dateOf(caller.expires_at_ms)?.toISOString() ?? null,
    disabledAt: dateOf(caller.disabled_at_ms)?.toISOString() ?? null,
    revokedAt: dateOf(caller.revoked_at_ms)?.toISOString() ?? null,
    lastUsedAt: dateOf(caller.last_used_at_ms)?.toISOString() ?? null,
  }
}

function dateOf(ms: string): Date | undefined {
  return Number(ms) === 0 ? undefined : new Date(Number(ms))
}
