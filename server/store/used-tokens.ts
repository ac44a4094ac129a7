import { hash } from 'node:crypto'
import type { WriteTx } from './store.ts'

/** A token that is good once. */
export interface SingleUse {
  /** Whoever gives out the ids: those of two issuers have nothing to do with each other. */
  readonly issuer: string
  readonly jti: string
  /** From then on it is refused for its age, and need not be remembered. */
  readonly expiresAt: Date
}

/** For servers whose clocks are behind, or are set back: by no more than this does any of them issue. */
const skewMs = 600_000

/**
 * Uses the token up; resolves with whether it was unused. One statement, so that of any number of callers, of any
 * number of servers, exactly one hears `true`.
 */
export async function useToken(tx: WriteTx, token: SingleUse, now: Date): Promise<boolean> {
  const over = now.getTime() - skewMs
  await tx.db.deleteFrom('used_tokens').where('expires_at', '<=', over).execute()
  const used = await tx.db
    .insertInto('used_tokens')
    .values({
      hash: hashOf(token),
      expires_at: token.expiresAt.getTime(),
    })
    .onConflict((conflict) => conflict.column('hash').doNothing())
    .returning('hash')
    .execute()
  return used.length > 0
}

/** Makes it unused again; to be called by whoever has used it up, and by nobody else. */
export async function giveTokenBack(tx: WriteTx, token: SingleUse): Promise<void> {
  await tx.db.deleteFrom('used_tokens').where('hash', '=', hashOf(token)).execute()
}

function hashOf({ issuer, jti }: SingleUse): string {
  return hash('sha256', JSON.stringify([issuer, jti]), 'base64url')
}
