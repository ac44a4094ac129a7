import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { ExchangedFrom, IssuedToken, ListedToken } from './issued-tokens.ts'
import type { Schema } from './schema.ts'

export type GrantRow = Schema['issued_grants']

/** What one row names at most, so that a page of them is read in no time. */
const maxTokens = 64

interface OpenRow {
  readonly first: IssuedToken
  /** What tells each of its tokens from the others: `jti`, `txn`, address and parent. */
  readonly names: string[]
}

const namesOfToken = 4

/**
 * Tokens that were issued side by side, as the rows that keep them: those that one client got for the same, in the same
 * second, are a row. So a busy client costs some rows a second, however many tokens it asks for.
 */
export class IssuedBatch {
  #rows: OpenRow[] = []
  /** By client, subject and audience the row that takes the next one, if it is like those. */
  readonly #last = new Map<string, OpenRow>()
  #size = 0
  #closed: readonly GrantRow[] | undefined

  /** How many tokens. */
  get size(): number {
    return this.#size
  }

  get isClosed(): boolean {
    return this.#closed !== undefined
  }

  add(token: IssuedToken): void {
    const key = `${token.clientId} ${token.subject} ${token.audience}`
    let row = this.#last.get(key)
    if (
      row === undefined ||
      row.names.length === maxTokens * namesOfToken ||
      !isAlike(row.first, token)
    ) {
      row = { first: token, names: [] }
      this.#rows.push(row)
      this.#last.set(key, row)
    }
    row.names.push(token.jti, token.txn, token.address, token.parent ?? '')
    this.#size += 1
  }

  /** As rows from now on, to which nothing is added any more: the same ones each time. */
  close(): readonly GrantRow[] {
    this.#closed ??= this.#rows.map(rowOf)
    this.#rows = []
    this.#last.clear()
    return this.#closed
  }

  tokens(): readonly IssuedToken[] {
    return (this.#closed ?? this.#rows.map(rowOf)).flatMap(tokensOf)
  }
}

function isAlike(one: IssuedToken, other: IssuedToken): boolean {
  return (
    one.expiresAt.getTime() === other.expiresAt.getTime() &&
    one.issuedAt.getTime() === other.issuedAt.getTime() &&
    one.clientId === other.clientId &&
    one.subject === other.subject &&
    one.audience === other.audience &&
    one.entryId === other.entryId &&
    one.owner === other.owner &&
    one.auth === other.auth &&
    one.rule === other.rule &&
    one.keyId === other.keyId &&
    one.from?.audience === other.from?.audience &&
    one.from?.depth === other.from?.depth &&
    one.from?.keyId === other.from?.keyId &&
    areSame(one.scopes, other.scopes) &&
    areSame(one.actors, other.actors)
  )
}

function areSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((one, at) => one === others[at])
}

function rowOf({ first, names }: OpenRow): GrantRow {
  return {
    id: first.jti,
    client_id: first.clientId,
    subject: first.subject,
    entry_id: first.entryId,
    owner: first.owner,
    audience: first.audience,
    scope: first.scopes.join(' '),
    auth: first.auth,
    actors: first.actors.join(' '),
    rule: first.rule ?? '',
    key_id: first.keyId ?? '',
    from_audience: first.from?.audience ?? '',
    from_depth: first.from?.depth ?? 0,
    from_key_id: first.from?.keyId ?? '',
    issued_at: first.issuedAt.getTime(),
    expires_at: first.expiresAt.getTime(),
    tokens: names.join(' '),
  }
}

/** Whether one of its tokens is of one of these transactions. */
export function isOfOne({ tokens }: GrantRow, transactions: ReadonlySet<string>): boolean {
  const names = tokens.split(' ')
  for (let at = 1; at < names.length; at += namesOfToken) {
    if (transactions.has(names[at] ?? '')) return true
  }
  return false
}

function fromOf(row: GrantRow): ExchangedFrom | undefined {
  const { from_audience: audience, from_depth: depth, from_key_id: keyId } = row
  if (audience === '') return undefined
  return keyId === '' ? { audience, depth } : { audience, depth, keyId }
}

/** In the order in which they were issued. */
export function tokensOf(row: GrantRow): readonly ListedToken[] {
  const alike = {
    entryId: row.entry_id,
    owner: row.owner,
    subject: row.subject,
    clientId: row.client_id as SpiffeId,
    audience: row.audience,
    scopes: row.scope.split(' '),
    auth: row.auth,
    actors: row.actors === '' ? [] : row.actors.split(' '),
    rule: row.rule === '' ? undefined : row.rule,
    keyId: row.key_id === '' ? undefined : row.key_id,
    from: fromOf(row),
    issuedAt: new Date(row.issued_at),
    expiresAt: new Date(row.expires_at),
  }
  const names = row.tokens.split(' ')
  const tokens: ListedToken[] = []
  for (let at = 0; at < names.length; at += namesOfToken) {
    const [jti = '', txn = '', address = '', parent = ''] = names.slice(at, at + namesOfToken)
    const place = `${row.id} ${tokens.length + 1}`
    tokens.push({ ...alike, jti, txn, address, parent: parent === '' ? undefined : parent, place })
  }
  return tokens
}
