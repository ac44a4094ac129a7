import { expect, test } from 'vitest'
import { insertEntries } from '../../../../server/store/entries.ts'
import { insertFacts } from '../../../../server/store/revocation-facts.ts'
import { revokedKeys } from '../../../../server/store/revoked-keys.ts'
import type { FactKind } from '../../../../src/revocation/fact.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { anEntry, tempDatabase, tempStore, trustDomain } from './fixture.ts'

/** Seconds since 1970: when the keys were made, and when they end. */
const made = 1_780_000_000
const end = made + 86_400 * 30

test('what a version before had revoked has no static key after the upgrade either, and no other loses his', async () => {
  const { connect, execute } = await tempDatabase()
  const store = await tempStore({ connect })
  const key = (name: string, more: { disabled?: number } = {}) =>
    anEntry(name, {
      ...{ id: `legacy.${name}`, owner: `${name}-s`, createdAt: new Date(made * 1000) },
      expiresAt: new Date(end * 1000),
      disabledAt: more.disabled === undefined ? undefined : new Date(more.disabled * 1000),
    })
  const disabled = made + 500
  const entries = [
    ...['good', 'by-entry', 'by-id', 'by-owner', 'anew', 'enabled', 'let-in', 'longer'].map(
      (name) => key(name),
    ),
    ...['disabled', 'disabled-owner', 'disabled-later'].map((name) => key(name, { disabled })),
    anEntry('web', { owner: 'by-owner-s' }),
  ]
  const long = end + 60
  const short = made + 7200
  const idOf = (name: string): string => SpiffeId.of(trustDomain, `/${name}`)
  const facts: readonly (readonly [FactKind, string, number, number])[] = [
    ['entry', 'legacy.by-entry', made + 100, long],
    ['spiffe-id', idOf('by-id'), made + 100, long],
    ['owner', 'by-owner-s', made, long],
    // Of one before it that had this id.
    ['entry', 'legacy.anew', made - 1, long],
    // Its end was put off since.
    ['entry', 'legacy.longer', made + 100, short],
    // Of being disabled, which was undone.
    ['entry', 'legacy.enabled', made + 100, short],
    // Revoked, and let in again by being disabled and enabled.
    ['entry', 'legacy.let-in', made + 100, long],
    ...['disabled', 'disabled-later'].flatMap((name) => [
      ['entry', `legacy.${name}`, disabled, short] as const,
      ['spiffe-id', idOf(name), disabled + 1, short] as const,
    ]),
    ['owner', 'disabled-owner-s', disabled, short],
    ['entry', 'legacy.disabled-later', disabled + 2, short],
    ['audience', 'legacy.good', made + 100, long],
    ['entry', 'web', made + 100, long],
  ]
  await store.write(async (tx) => {
    await insertEntries(tx, entries)
    await insertFacts(
      tx,
      facts.map(([kind, id, notBefore, endsAt]) => ({ kind, id, notBefore, endsAt })),
    )
  })
  await store[Symbol.asyncDispose]()
  const enabledAt = (made + 200) * 1000
  await execute(
    [
      // As that version kept it.
      `update entries set body = replace(body, '"createdAt"', '"enabledAt":${enabledAt},"createdAt"')
        where id in ('legacy.enabled', 'legacy.let-in')`,
      'drop table revoked_keys',
      'drop index issued_grants_exchanged',
      'alter table issued_grants drop column from_key_id',
      `delete from kysely_migration where name >= '0019'`,
    ].join(';'),
  )
  const found = await revokedKeys(
    (await tempStore({ connect })).db,
    entries.map(({ id }) => id),
  )
  expect([...found].map(([id, at]) => [id, at.getTime() / 1000 - made]).sort()).toEqual([
    ['legacy.by-entry', 100],
    ['legacy.by-id', 100],
    ['legacy.by-owner', 0],
    ['legacy.disabled-later', 502],
    ['legacy.disabled-owner', 500],
    ['legacy.let-in', 100],
    ['legacy.longer', 100],
  ])
})
