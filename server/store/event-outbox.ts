import type { Kysely } from 'kysely'
import { chunksOf, places, prepared } from './prepared.ts'
import { sealOf } from './row-seal.ts'
import type { Schema } from './schema.ts'
import type { WriteTx } from './store.ts'

/** What a receiver outside is still to be told. */
export interface OutboxEvent {
  /** Of the configuration. */
  readonly stream: string
  /** Of its token, the same each time that it is sent. */
  readonly jti: string
  /** JSON of what the token says. */
  readonly body: string
  readonly createdAt: Date
}

type Row = Omit<Schema['event_outbox'], 'row'>

const columns = ['stream', 'jti', 'body', 'created_at', 'leased_until', 'mac'] as const

const insertRows = prepared((db, size) =>
  db.insertInto('event_outbox').values(
    places(size, {
      ...{ stream: '', jti: '', body: '', created_at: 0, leased_until: 0, mac: '' },
    }),
  ),
)

export async function addOutboxEvents(
  tx: Pick<WriteTx, 'db'>,
  events: readonly OutboxEvent[],
): Promise<void> {
  for (const chunk of chunksOf(events)) {
    const parameters = chunk.flatMap((event) => {
      const mac = sealOf(tx.db).mac('event_outbox', ...partsOf(event))
      return [event.stream, event.jti, event.body, event.createdAt.getTime(), 0, mac]
    })
    await insertRows(tx.db, chunk.length, parameters)
  }
}

/** The oldest of a stream, at most `limit`; without those whose row somebody else has written. */
export async function outboxEvents(
  db: Kysely<Schema>,
  stream: string,
  limit: number,
): Promise<readonly OutboxEvent[]> {
  const rows = await db
    .selectFrom('event_outbox')
    .select(columns)
    .where('stream', '=', stream)
    .orderBy('row')
    .limit(limit)
    .execute()
  return rows.flatMap((row) => open(db, row))
}

/**
 * Takes the oldest of a stream that nobody has taken, for itself alone until an instant. One statement, so that of any
 * number of servers one gets it.
 */
export async function leaseOutboxEvent(
  tx: Pick<WriteTx, 'db'>,
  stream: string,
  now: Date,
  until: Date,
): Promise<OutboxEvent | undefined> {
  const row = await tx.db
    .updateTable('event_outbox')
    .set({ leased_until: until.getTime() })
    .where('leased_until', '<=', now.getTime())
    .where('row', '=', (inner) =>
      inner
        .selectFrom('event_outbox')
        .select('row')
        .where('stream', '=', stream)
        .where('leased_until', '<=', now.getTime())
        .orderBy('row')
        .limit(1),
    )
    .returning(columns)
    .executeTakeFirst()
  return row === undefined ? undefined : open(tx.db, row)[0]
}

/** Gives it back, so that it is the next again. */
export async function releaseOutboxEvent(
  tx: Pick<WriteTx, 'db'>,
  stream: string,
  jti: string,
): Promise<void> {
  await tx.db
    .updateTable('event_outbox')
    .set({ leased_until: 0 })
    .where('stream', '=', stream)
    .where('jti', '=', jti)
    .execute()
}

/** The receiver has them, or does not want them; resolves with how many of them there were. */
export async function removeOutboxEvents(
  tx: Pick<WriteTx, 'db'>,
  stream: string,
  jtis: readonly string[],
): Promise<number> {
  if (jtis.length === 0) return 0
  const result = await tx.db
    .deleteFrom('event_outbox')
    .where('stream', '=', stream)
    .where('jti', 'in', jtis)
    .executeTakeFirst()
  return Number(result.numDeletedRows)
}

/** Forgets what is older than an instant, and of a stream all but the newest `most`; by stream, how many went. */
export async function pruneOutbox(
  tx: Pick<WriteTx, 'db'>,
  before: Date,
  most: number,
): Promise<ReadonlyMap<string, number>> {
  const gone = new Map<string, number>()
  for (const stream of (await countOutbox(tx.db)).keys()) {
    const extra = await tx.db
      .selectFrom('event_outbox')
      .select('row')
      .where('stream', '=', stream)
      .orderBy('row', 'desc')
      .offset(most)
      .limit(1)
      .executeTakeFirst()
    const result = await tx.db
      .deleteFrom('event_outbox')
      .where('stream', '=', stream)
      .where((or) =>
        or.or([or('created_at', '<', before.getTime()), or('row', '<=', extra?.row ?? 0)]),
      )
      .executeTakeFirst()
    const count = Number(result.numDeletedRows)
    if (count > 0) gone.set(stream, count)
  }
  return gone
}

/** How many wait, by stream. */
export async function countOutbox(db: Kysely<Schema>): Promise<ReadonlyMap<string, number>> {
  const rows = await db
    .selectFrom('event_outbox')
    .select(['stream', (select) => select.fn.countAll().as('count')])
    .groupBy('stream')
    .execute()
  return new Map(rows.map(({ stream, count }) => [stream, Number(count)]))
}

function open(db: Kysely<Schema>, row: Row): readonly OutboxEvent[] {
  const { stream, jti, body, created_at, mac } = row
  const event = { stream, jti, body, createdAt: new Date(created_at) }
  return sealOf(db).holds(mac, 'event_outbox', ...partsOf(event)) ? [event] : []
}

function partsOf({ jti, stream, body, createdAt }: OutboxEvent): readonly string[] {
  return [jti, stream, body, String(createdAt.getTime())]
}
