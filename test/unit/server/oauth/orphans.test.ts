import { expect, onTestFinished, test } from 'vitest'
import { openChanges } from '../../../../server/changes/changes.ts'
import { runOrphans } from '../../../../server/oauth/orphans.ts'
import { createRevocations } from '../../../../server/revocation/revocations.ts'
import type { Cause } from '../../../../server/revocation/write-facts.ts'
import type { IssuedToken } from '../../../../server/store/issued-tokens.ts'
import type { FactKind } from '../../../../src/revocation/fact.ts'
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
    async revoke(id: string, kind: FactKind = 'token') {
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

test.for(['while it runs', 'at the start'])(
  'what was exchanged for a token that a revoked key may have signed is revoked, %s',
  async (when) => {
    const { add, issued, run, revoke, child, token, isDead, audited } = await start()
    if (when === 'while it runs') run()
    const from = { audience: 'https://orders', depth: 0 }
    // The key is another one by then. What was exchanged may never have been issued here.
    const next = { keyId: 'new', from: { ...from, keyId: 'old' } }
    await add(
      token('a', { keyId: 'old' }),
      child('b', 'a', next),
      child('of-forged', 'forged', next),
    )
    issued.note(child('c', 'of-forged', { keyId: 'new', from: { ...from, keyId: 'new' } }))
    await add(token('other', { keyId: 'new' }))
    await add(child('of-other', 'other', { keyId: 'new', from: { ...from, keyId: 'new' } }))
    await add(child('unsaid', 'other', { keyId: 'new' }))
    await revoke('old', 'key')
    if (when === 'at the start') run()
    await expect.poll(() => ['b', 'of-forged', 'c'].map(isDead)).toEqual([true, true, true])
    expect(['of-other', 'unsaid'].map(isDead)).toEqual([false, false])
    expect(audited).toHaveLength(3)
  },
)

test.for(['audience', 'integration'] as const)(
  'what is revoked as an %s takes nothing with it that is for another',
  async (kind) => {
    const { add, run, revoke, child, root, token, isDead } = await start()
    run()
    await add(root, child('b', 'a', { audience: 'https://stock' }))
    await add(token('other'), child('of-other', 'other', { txn: 't-other' }))
    await revoke('https://orders', kind)
    await revoke('other')
    await expect.poll(() => isDead('of-other')).toBe(true)
    expect(isDead('b')).toBe(false)
  },
)

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
