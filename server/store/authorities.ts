import type { Kysely } from 'kysely'
import { CountersignError } from '../../src/errors.ts'
import { openRows } from './open-rows.ts'
import type { AuthorityKind, AuthorityRecord } from './records.ts'
import { sealOf } from './row-seal.ts'
import type { Schema } from './schema.ts'
import type { WriteTx } from './store.ts'

/** Adds or replaces the authority with this id; resolves with the number of the change. */
export async function putAuthority(tx: WriteTx, authority: AuthorityRecord): Promise<number> {
  const { kind, slot } = authority
  const body = encode(authority)
  const columns = { kind, slot, body, mac: sealOf(tx.db).mac('authorities', authority.id, body) }
  await tx.db
    .insertInto('authorities')
    .values({ id: authority.id, ...columns })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(columns))
    .execute()
  return tx.change('authority', [authority.id])
}

/** Resolves with the number of the change, 0 where there is no such authority. */
export async function deleteAuthority(tx: WriteTx, id: string): Promise<number> {
  const deleted = await tx.db
    .deleteFrom('authorities')
    .where('id', '=', id)
    .returning('id')
    .execute()
  return deleted.length === 0 ? 0 : tx.change('authority', [id])
}

/** Whether there is one with this id, of either kind. */
export async function hasAuthority(db: Kysely<Schema>, id: string): Promise<boolean> {
  const found = await db
    .selectFrom('authorities')
    .select('id')
    .where('id', '=', id)
    .executeTakeFirst()
  return found !== undefined
}

/** Whether there is one of this kind. */
export async function hasAuthorityOf(db: Kysely<Schema>, kind: AuthorityKind): Promise<boolean> {
  const found = await db
    .selectFrom('authorities')
    .select('id')
    .where('kind', '=', kind)
    .limit(1)
    .executeTakeFirst()
  return found !== undefined
}

/**
 * All of both kinds, oldest first. Throws `internal` / `store-corrupt`, and `conflict` /
 * `authority-row-refused` where one of them was changed: with a part of them nobody may go on.
 */
export async function loadAuthorities(db: Kysely<Schema>): Promise<AuthorityRecord[]> {
  const rows = await db
    .selectFrom('authorities')
    .select(['id', 'body', 'mac'])
    .orderBy('id')
    .execute()
  const authorities = openRows(db, 'authorities', rows, decode)
  if (authorities.length < rows.length) {
    throw new CountersignError('conflict', 'somebody has changed an authority in the database', {
      reason: 'authority-row-refused',
      fix: 'restore the table authorities from a backup; the log names the rows',
    })
  }
  return authorities.sort((a, b) => a.notBefore.getTime() - b.notBefore.getTime())
}

type Bytes = 'publicKey' | 'certificate' | 'sealedKey'
type Instant = 'notBefore' | 'notAfter'

/** Bytes in base64, instants in milliseconds. */
type Body = Omit<AuthorityRecord, Bytes | Instant> &
  Readonly<Record<Bytes, string>> &
  Readonly<Record<Instant, number>>

function encode(authority: AuthorityRecord): string {
  const body: Body = {
    id: authority.id,
    kind: authority.kind,
    slot: authority.slot,
    keyKind: authority.keyKind,
    publicKey: authority.publicKey.toString('base64'),
    certificate: authority.certificate.toString('base64'),
    sealedKey: authority.sealedKey.toString('base64'),
    notBefore: authority.notBefore.getTime(),
    notAfter: authority.notAfter.getTime(),
    tainted: authority.tainted,
  }
  return JSON.stringify(body)
}

function decode(text: string): AuthorityRecord {
  const body: Body = JSON.parse(text)
  return {
    ...body,
    publicKey: Buffer.from(body.publicKey, 'base64'),
    certificate: Buffer.from(body.certificate, 'base64'),
    sealedKey: Buffer.from(body.sealedKey, 'base64'),
    notBefore: new Date(body.notBefore),
    notAfter: new Date(body.notAfter),
  }
}
