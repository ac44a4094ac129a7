import { describe, expect, test } from 'vitest'
import type { Attested } from '../../../../agent/workload-attestation/attestation.ts'
import { pushUpdates } from '../../../../agent/workload-endpoint/push.ts'
import { entryOf, HandUpdates, signing, trustDomain } from './identities.ts'

const { bundle } = signing(trustDomain)

/** A stream whose every message the test lets go, and whose turn the test gives. */
function openStream(updates: HandUpdates, confirm: Attested['confirm'] = () => {}) {
  const turns: ((slice: object) => void)[] = []
  const messages: string[] = []
  const failures: unknown[] = []
  let onSent: (() => void) | undefined
  let onEnd: () => void = () => {}
  const call = {
    ended: false,
    send(message: Buffer, sent: () => void) {
      messages.push(message.toString())
      onSent = sent
    },
    fail(error: unknown) {
      failures.push(error)
      call.end()
    },
    onEnd(listener: () => void) {
      onEnd = listener
      if (call.ended) listener()
    },
    end() {
      call.ended = true
      onEnd()
    },
  }
  const caller: Attested = {
    selectors: [{ type: 'unix', value: 'uid:1' }],
    confirm,
    inTurn: (job) => turns.push(job),
  }
  pushUpdates(
    updates,
    caller,
    call,
    ({ entries }) => Buffer.from(entries.map(({ hint }) => hint).join()),
    'svids',
  )
  return {
    messages,
    failures,
    turns,
    end: () => call.end(),
    sent: () => onSent?.(),
    turn() {
      for (const job of turns.splice(0)) job({})
    },
  }
}

function set(updates: HandUpdates, ...hints: string[]): void {
  updates.set(hints.map((hint) => entryOf(`/${hint}`, ['unix:uid:1'], { hint })))
}

describe('a stream', () => {
  test('a slow reader holds one message, the newest', () => {
    const updates = new HandUpdates(bundle)
    set(updates, 'a')
    const stream = openStream(updates)
    expect(stream.messages).toEqual(['a'])
    for (const hint of ['b', 'c', 'd']) set(updates, hint)
    expect(stream.turns).toHaveLength(0)
    stream.sent()
    stream.turn()
    expect(stream.messages).toEqual(['a', 'd'])
    stream.sent()
    stream.turn()
    expect(stream.messages).toHaveLength(2)
  })

  test('is not sent what it has had, and goes on after that', () => {
    const updates = new HandUpdates(bundle)
    set(updates, 'a')
    const stream = openStream(updates)
    stream.sent()
    set(updates, 'a')
    stream.turn()
    expect(stream.messages).toEqual(['a'])
    set(updates, 'b')
    stream.turn()
    expect(stream.messages).toEqual(['a', 'b'])
  })

  test('is confirmed before each message, in the slice that it is given, and ends where that fails', () => {
    const updates = new HandUpdates(bundle)
    const slices: unknown[] = []
    const error = new Error('changed')
    set(updates, 'a')
    const stream = openStream(updates, (slice) => {
      slices.push(slice)
      if (slices.length === 3) throw error
    })
    for (const hint of ['b', 'c', 'd']) {
      stream.sent()
      set(updates, hint)
      stream.turn()
    }
    expect(slices).toEqual([undefined, {}, {}])
    expect(stream.messages).toEqual(['a', 'b'])
    expect(stream.failures).toEqual([error])
    expect(updates.readers).toBe(0)
  })

  test('that ended is sent nothing, though it had its turn to come', () => {
    const updates = new HandUpdates(bundle)
    set(updates, 'a')
    const stream = openStream(updates)
    stream.sent()
    set(updates, 'b')
    stream.end()
    stream.turn()
    expect(stream.messages).toEqual(['a'])
    expect(updates.readers).toBe(0)
  })
})
