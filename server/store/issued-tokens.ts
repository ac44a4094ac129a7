import type { Kysely } from 'kysely'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
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

/** What is not said matches all. */
export interface TokenFilter {
  /** Who holds it, or for whom it speaks. */
  readonly spiffeId?: string | undefined
  readonly audience?: string | undefined
  readonly owner?: string | undefined
  readonly txn?: string | undefined
}

const row = {
  ...{ jti: '', txn: '', parent: '', entry_id: '', owner: '', subject: '', client_id: '' },
  ...{
    audience: '',
    scope: '',
    auth: '',
    address: '',
    actors: '',
    rule: '',
    key_id: '',
    issued_at: 0,
    expires_at: 0,
  },
} as const satisfies Schema['issued_tokens']

const insertTokens = prepared((db, size) =>
  db
    .insertInto('issued_tokens')
    .values(places(size, row))
    .onConflict((conflict) => conflict.column('jti').doNothing()),
)

export async function addIssuedTokens(
  tx: Pick<WriteTx, 'db'>,
  tokens: readonly IssuedToken[],
): Promise<void> {
  for (const chunk of chunksOf(tokens)) {
    await insertTokens(tx.db, chunk.length, chunk.flatMap(valuesOf))
  }
}

/** In the order of `row`. */
function valuesOf(token: IssuedToken): readonly (string | number)[] {
  return [
    ...[token.jti, token.txn, token.parent ?? '', token.entryId, token.owner, token.subject],
    ...[token.clientId, token.audience, token.scopes.join(' '), token.auth, token.address],
    ...[
      token.actors.join(' '),
      token.rule ?? '',
      token.keyId ?? '',
      token.issuedAt.getTime(),
      token.expiresAt.getTime(),
    ],
  ]
}

/** Forgets expired ones, `limit` at most, so that nobody waits long for it. */
export async function pruneIssuedTokens(
  tx: Pick<WriteTx, 'db'>,
  now: Date,
  limit: number,
): Promise<void> {
  await tx.db
    .deleteFrom('issued_tokens')
    .where('jti', 'in', (inner) =>
      inner
        .selectFrom('issued_tokens')
        .select('jti')
        .where('expires_at', '<=', now.getTime())
        .orderBy('expires_at')
        .limit(limit),
    )
    .execute()
}

/** Tokens that have not expired, by their `jti`, from the first after `after` on. */
export async function listIssuedTokens(
  db: Kysely<Schema>,
  filter: TokenFilter,
  page: { readonly now: Date; readonly after?: string | undefined; readonly limit: number },
): Promise<readonly IssuedToken[]> {
  const rows = await matching(db, filter, page.now)
    .selectAll()
    .where('jti', '>', page.after ?? '')
    .orderBy('jti')
    .limit(page.limit)
    .execute()
  return rows.map(tokenOf)
}

/** Those of these that have not been forgotten, in no order. */
export async function issuedTokensById(
  db: Kysely<Schema>,
  jtis: readonly string[],
): Promise<readonly IssuedToken[]> {
  if (jtis.length === 0) return []
  const rows = await db.selectFrom('issued_tokens').selectAll().where('jti', 'in', jtis).execute()
  return rows.map(tokenOf)
}

function tokenOf(one: Schema['issued_tokens']): IssuedToken {
  return {
    jti: one.jti,
    txn: one.txn,
    parent: one.parent === '' ? undefined : one.parent,
    entryId: one.entry_id,
    owner: one.owner,
    subject: one.subject,
    clientId: one.client_id as SpiffeId,
    audience: one.audience,
    scopes: one.scope.split(' '),
    auth: one.auth,
    address: one.address,
    actors: one.actors === '' ? [] : one.actors.split(' '),
    rule: one.rule === '' ? undefined : one.rule,
    keyId: one.key_id === '' ? undefined : one.key_id,
    issuedAt: new Date(one.issued_at),
    expiresAt: new Date(one.expires_at),
  }
}

function matching(db: Kysely<Schema>, filter: TokenFilter, now: Date) {
  const { spiffeId, audience, owner, txn } = filter
  return db
    .selectFrom('issued_tokens')
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
    .$if(txn !== undefined, (query) => query.where('txn', '=', txn as string))
}
