import { expect, onTestFinished, test } from 'vitest'
import { openChanges } from '../../../../server/changes/changes.ts'
import { runOrphans } from '../../../../server/oauth/orphans.ts'
import { createRevocations } from '../../../../server/revocation/revocations.ts'
import type { Cause } from '../../../../server/revocation/write-facts.ts'
import type { IssuedToken } from '../../../../server/store/issued-tokens.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { orders, permitAll, startRecheck, stock } from './recheck-world.ts'

/** A server that has issued tokens, and hears of what was revoked by the change log. */
async function start() {
  const { deps, clock, add, token, audited } = await startRecheck(permitAll)
  const { store, issued } = deps
  const revocations = createRevocations({ clock, write: deps.revocations.write })
  const log = silentLog
  const changes = await openChanges(store, { clock, log, onBatch: revocations.apply })
  const stopping = new AbortController()
  const running = [changes.run(stopping.signal)]
  onTestFinished(async () => {
    stopping.abort(new DOMException('stopped', 'AbortError'))
    await Promise.allSettled(running)
  })
  let refuse = false
  const write: typeof store.write = async (job) => {
    if (refuse) throw new Error('full')
    return store.write(job)
  }
  const orphans = { store: { write }, changes, revocations, issued, clock, log }
  const endsAt = new Date(clock.now().getTime() + 300_000)
  return {
    ...{ add, clock, issued, audited, token },
    run: () => void running.push(runOrphans(orphans, stopping.signal)),
    child: (jti: string, parent: string, more: Partial<IssuedToken> = {}) =>
      token(jti, {
        ...{ txn: 't-a', parent, from: { audience: 'https://orders', depth: 0 } },
        ...{ clientId: orders, actors: [orders], ...more },
      }),
    root: token('a'),
    isDead: (jti: string) => revocations.find('token', jti) !== undefined,
    async revoke(id: string, kind: 'token' | 'transaction' | 'entry' = 'token') {
      const cause: Cause = kind === 'token' ? { kind, id, endsAt } : { kind, id }
      const number = await store.write((tx) => revocations.write(tx, [cause]))
      await changes.reached(number)
    },
    refuse(yes: boolean) {
      refuse = yes
    },
  }
}

test('what was exchanged a moment before its parent was revoked is revoked with it, before it is in the store', async () => {
  const { add, issued, run, revoke, child, root, isDead, audited } = await start()
  run()
  await add(root, child('b', 'a'))
  issued.note(child('c', 'b'))
  issued.note(child('d', 'c', { clientId: stock, actors: [stock, orders] }))
  issued.note(child('sibling', 'a'))
  await revoke('b')
  await expect.poll(() => ['c', 'd'].map(isDead)).toEqual([true, true])
  expect(['a', 'sibling'].map(isDead)).toEqual([false, false])
  expect(audited).toMatchObject(
    ['c', 'd'].map((id) => ({ reason: 'parent-revoked', jti: id, details: { kind: 'token', id } })),
  )
})

test('what was exchanged for a revoked token, however often, is revoked, each once, and nothing else', async () => {
  const { add, run, revoke, child, root, isDead, audited } = await start()
  run()
  const many = Array.from({ length: 1100 }, (_, at) => child(`many-${at}`, 'b'))
  await add(root, child('b', 'a'), child('sibling', 'a'), ...many)
  await add(child('narrower', 'many-7', { actors: [] }), child('of-sibling', 'sibling'))
  await revoke('b')
  await expect.poll(() => isDead('narrower')).toBe(true)
  await expect.poll(() => many.every(({ jti }) => isDead(jti))).toBe(true)
  expect(['a', 'sibling', 'of-sibling'].map(isDead)).toEqual([false, false, false])
  expect(audited).toHaveLength(1101)
})

test('what was exchanged for one that its entry has ended already is found beyond it', async () => {
  const { add, issued, run, revoke, child, root, isDead } = await start()
  run()
  await add(root, child('b', 'a', { entryId: 'of-b' }))
  // It is looked at before the one that it was exchanged for, which is in the store.
  issued.note(child('c', 'b', { entryId: 'of-c' }))
  await revoke('of-b', 'entry')
  expect(isDead('c')).toBe(false)
  await revoke('a')
  await expect.poll(() => isDead('c')).toBe(true)
})

test('of a transaction that was revoked as a whole nothing is revoked once more', async () => {
  const { add, run, revoke, child, root, token, audited } = await start()
  await add(root, child('b', 'a'), token('other'), child('of-other', 'other', { txn: 'other' }))
  await revoke('t-a', 'transaction')
  await revoke('a')
  await revoke('other')
  run()
  await expect.poll(() => audited).toMatchObject([{ jti: 'of-other' }])
})

test('what was left of it by a server that ended is revoked at the start', async () => {
  const { add, run, revoke, child, root, isDead } = await start()
  await add(root, child('b', 'a'), child('c', 'b'))
  await revoke('a')
  expect(isDead('b')).toBe(false)
  run()
  await expect.poll(() => ['b', 'c'].map(isDead)).toEqual([true, true])
})

test('while it cannot be written it is tried again', async () => {
  const { add, clock, run, revoke, child, root, isDead, refuse } = await start()
  run()
  await add(root, child('b', 'a'))
  refuse(true)
  await revoke('a')
  await clock.advance(1000)
  expect(isDead('b')).toBe(false)
  refuse(false)
  await clock.advance(1000)
  await expect.poll(() => isDead('b')).toBe(true)
})
