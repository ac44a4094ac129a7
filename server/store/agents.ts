import type { Kysely } from 'kysely'
import { openRows } from './open-rows.ts'
import { chunksOf } from './prepared.ts'
import type { AgentRecord } from './records.ts'
import { sealOf } from './row-seal.ts'
import type { Schema } from './schema.ts'
import type { WriteTx } from './store.ts'

/** Adds or replaces the agent with this ID; resolves with the number of the change. */
export async function putAgent(tx: WriteTx, agent: AgentRecord): Promise<number> {
  const columns = columnsOf(tx, agent)
  await tx.db
    .insertInto('agents')
    .values({ id: agent.id, ...columns })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(columns))
    .execute()
  return tx.change('agent', [agent.id])
}

/**
 * Replaces the agent only where it is still as in `before`, for a decision that was made outside of
 * the transaction; resolves with the number of the change, 0 where it is not.
 */
export async function compareAndPutAgent(
  tx: WriteTx,
  before: AgentRecord,
  after: AgentRecord,
): Promise<number> {
  const updated = await tx.db
    .updateTable('agents')
    .set(columnsOf(tx, after))
    .where('id', '=', after.id)
    .where('body', '=', encode(before))
    .returning('id')
    .execute()
  return updated.length === 0 ? 0 : tx.change('agent', [after.id])
}

function columnsOf({ db }: WriteTx, agent: AgentRecord): Omit<Schema['agents'], 'id'> {
  const body = encode(agent)
  const mac = sealOf(db).mac('agents', agent.id, body)
  return { expires_at: agent.expiresAt.getTime(), body, mac }
}

/** Resolves with the number of the change, 0 where there is no such agent. */
export async function deleteAgent(tx: WriteTx, id: AgentRecord['id']): Promise<number> {
  const deleted = await tx.db.deleteFrom('agents').where('id', '=', id).returning('id').execute()
  return deleted.length === 0 ? 0 : tx.change('agent', [id])
}

/** All agents, or those of `ids` that there are, in no order. Throws `internal` / `store-corrupt`. */
export async function loadAgents(
  db: Kysely<Schema>,
  ids?: readonly string[],
): Promise<AgentRecord[]> {
  const select = db.selectFrom('agents').select(['id', 'body', 'mac'])
  if (ids === undefined) {
    return openRows(db, 'agents', await select.execute(), decode)
  }
  const agents: AgentRecord[] = []
  for (const chunk of chunksOf([...new Set(ids)])) {
    const rows = await select.where('id', 'in', chunk).execute()
    agents.push(...openRows(db, 'agents', rows, decode))
  }
  return agents
}

type Body = Omit<AgentRecord, 'expiresAt' | 'pendingExpiresAt' | 'attestedAt'> & {
  readonly expiresAt: number
  readonly pendingExpiresAt: number | null
  readonly attestedAt: number
}

/** The same text for the same record, whatever the order of its keys. */
function encode(agent: AgentRecord): string {
  const body: Body = {
    id: agent.id,
    attestationType: agent.attestationType,
    selectors: agent.selectors.map(({ type, value }) => ({ type, value })),
    serial: agent.serial,
    expiresAt: agent.expiresAt.getTime(),
    pendingSerial: agent.pendingSerial,
    pendingExpiresAt: agent.pendingExpiresAt?.getTime() ?? null,
    banned: agent.banned,
    canReattest: agent.canReattest,
    version: agent.version,
    attestedAt: agent.attestedAt.getTime(),
  }
  return JSON.stringify(body)
}

function decode(text: string): AgentRecord {
  const body: Body = JSON.parse(text)
  return {
    ...body,
    expiresAt: new Date(body.expiresAt),
    pendingExpiresAt: body.pendingExpiresAt === null ? undefined : new Date(body.pendingExpiresAt),
    attestedAt: new Date(body.attestedAt),
  }
}
