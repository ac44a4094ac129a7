import type { Kysely } from 'kysely'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { type GrantRow, isOfOne, tokensOf } from './issued-batch.ts'
import { isExchanged } from './migrate-issued-tokens.ts'
import { chunksOf, places, prepared } from './prepared.ts'
import type { Schema } from './schema.ts'
import type { WriteTx } from './store.ts'

/** An access token as it is remembered until it expires: what it was for, never what it is. */
export interface IssuedToken {
  readonly jti: string
  /** Common to a token and to all that was exchanged for it. */
  readonly txn: string
  /** The `jti` of the token that it was exchanged for; undefined: the first of its transaction. */
  readonly parent: string | undefined
  /** undefined: not known. */
  readonly from?: ExchangedFrom | undefined
  /** Of the entry that it was issued for, which is the client's. */
  readonly entryId: string
  readonly owner: string
  /** Whom it speaks for; the client itself, unless it was exchanged. */
  readonly subject: string
  /** Who holds it. */
  readonly clientId: SpiffeId
  readonly audience: string
  readonly scopes: readonly string[]
  /** How the client proved itself. */
  readonly auth: string
  /** From where, `host:port`; empty where it is not known. */
  readonly address: string
  /** Who acts for the subject, the client first; `[]` where that is the subject itself. */
  readonly actors: readonly string[]
  /** By which rule on tokens of another issuer; undefined: by none. */
  readonly rule?: string | undefined
  /** Of the key that has signed it; undefined: a version before this one has issued it. */
  readonly keyId?: string | undefined
  readonly issuedAt: Date
  readonly expiresAt: Date
}

/** What is known of the token that another one was exchanged for. */
export interface ExchangedFrom {
  readonly audience: string
  /** How many of the `actors`, the last of them, had acted in it. */
  readonly depth: number
  /** Of the key that had signed it; undefined: a version before this one has exchanged it. */
  readonly keyId?: string | undefined
}

/** What is not said matches all. */
export interface TokenFilter {
  /** Who holds it, or for whom it speaks. */
  readonly spiffeId?: string | undefined
  readonly audience?: string | undefined
  readonly owner?: string | undefined
  /** One of these. */
  readonly transactions?: ReadonlySet<string> | undefined
  readonly issuedSince?: Date | undefined
  /** Those that were exchanged for another. */
  readonly exchanged?: true | undefined
}

/** One of a list. `place`: where the list goes on after it. */
export interface ListedToken extends IssuedToken {
  readonly place: string
}

const row = {
  ...{ id: '', client_id: '', subject: '', entry_id: '', owner: '', audience: '', scope: '' },
  ...{ auth: '', actors: '', rule: '', key_id: '', from_audience: '', from_depth: 0 },
  from_key_id: '',
  ...{ issued_at: 0, expires_at: 0, tokens: '' },
} as const satisfies GrantRow

const insertGrants = prepared((db, size) =>
  db
    .insertInto('issued_grants')
    .values(places(size, row))
    // Of a commit that was lost on its way nobody knows whether it was made: the rows are written again.
    .onConflict((conflict) => conflict.column('id').doNothing()),
)

/** Writes the rows of batches that were closed. */
export async function addIssuedGrants(
  tx: Pick<WriteTx, 'db'>,
  rows: readonly GrantRow[],
): Promise<void> {
  const names = Object.keys(row) as (keyof GrantRow)[]
  for (const chunk of chunksOf(rows)) {
    const parameters = chunk.flatMap((one) => names.map((name) => one[name]))
    await insertGrants(tx.db, chunk.length, parameters)
  }
}

/** Forgets expired ones, `limit` rows at most, so that nobody waits long for it. */
export async function pruneIssuedGrants(
  tx: Pick<WriteTx, 'db'>,
  now: Date,
  limit: number,
): Promise<void> {
  await tx.db
    .deleteFrom('issued_grants')
    .where('id', 'in', (inner) =>
      inner
        .selectFrom('issued_grants')
        .select('id')
        .where('expires_at', '<=', now.getTime())
        .orderBy('expires_at')
        .limit(limit),
    )
    .execute()
}

const readRows = 100
const pageTokens = 500
/** So many rows are walked through in one query, where none of the indexes finds those that are asked for. */
const walkedRows = 4000

/**
 * Tokens that have not expired, in pages, each a moment's work; from the first after the place `after` on. In the order
 * in which they were issued, but for those that were issued side by side.
 */
export async function* issuedTokens(
  db: Kysely<Schema>,
  filter: TokenFilter,
  from: { readonly now: Date; readonly after?: string | undefined },
): AsyncGenerator<readonly ListedToken[], void, void> {
  const { transactions } = filter
  let [id = '', skip = '0'] = (from.after ?? '').split(' ')
  /** Before which one a query ends; undefined: at none. */
  let end = isIndexed(filter) ? undefined : id
  for (;;) {
    if (end !== undefined && id >= end) end = await idBehind(db, id)
    // The row that was begun comes again, and what was taken of it is left out.
    const rows = await matching(db, filter, from.now)
      .selectAll()
      .where('id', '>=', id)
      .$if(end !== undefined, (query) => query.where('id', '<', end as string))
      .orderBy('id')
      .limit(readRows + 1)
      .execute()
    const found = rows
      .filter((row) => transactions === undefined || isOfOne(row, transactions))
      .flatMap((row) => tokensOf(row).slice(row.id === id ? Number(skip) : 0))
      .filter(({ txn }) => transactions?.has(txn) !== false)
    // Where nothing was found too, so that whoever reads can let others have their turn.
    for (let at = 0; at === 0 || at < found.length; at += pageTokens) {
      yield found.slice(at, at + pageTokens)
    }
    const last = rows.at(-1)
    if (rows.length > readRows && last !== undefined) [id, skip] = [last.id, 'Infinity']
    else if (end !== undefined) [id, skip] = [end, '0']
    else return
  }
}

/** Whether no query goes past many rows that are not asked for. */
function isIndexed({ spiffeId, exchanged, audience, owner, issuedSince }: TokenFilter): boolean {
  if (spiffeId !== undefined || exchanged === true) return true
  return audience === undefined && owner === undefined && issuedSince === undefined
}

async function idBehind(db: Kysely<Schema>, id: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('issued_grants')
    .select('id')
    .where('id', '>=', id)
    .orderBy('id')
    .offset(walkedRows)
    .limit(1)
    .executeTakeFirst()
  return row?.id
}

function matching(db: Kysely<Schema>, filter: TokenFilter, now: Date) {
  const { spiffeId, audience, owner, issuedSince, exchanged } = filter
  return db
    .selectFrom('issued_grants')
    .where('expires_at', '>', now.getTime())
    .$if(spiffeId !== undefined, (query) =>
      query.where((or) =>
        // In the words of the index on `subject`.
        or.or([
          or('client_id', '=', spiffeId as string),
          or.and([
            or('subject', '=', spiffeId as string),
            or('subject', '<>', or.ref('client_id')),
          ]),
        ]),
      ),
    )
    .$if(audience !== undefined, (query) => query.where('audience', '=', audience as string))
    .$if(owner !== undefined, (query) => query.where('owner', '=', owner as string))
    .$if(issuedSince !== undefined, (query) =>
      query.where('issued_at', '>=', (issuedSince as Date).getTime()),
    )
    .$if(exchanged === true, (query) => query.where(isExchanged))
}
