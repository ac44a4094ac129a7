import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createMeetingPoint } from '../../../src/runtime/meeting-point.ts'

describe('meeting point', () => {
  it('lets those of one turn go on together, in order, each step of all before the next step of any', async () => {
    const [first, second] = [createMeetingPoint(), createMeetingPoint()]
    const done: string[] = []
    const come = async (name: string): Promise<void> => {
      await first()
      done.push(`${name}1`)
      await second()
      done.push(`${name}2`)
    }
    await Promise.all(['a', 'b', 'c'].map(come))
    expect(done).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'c2'])
  })

  it('keeps who comes later for the next time', async () => {
    const meet = createMeetingPoint()
    const done: string[] = []
    const come = async (name: string): Promise<void> => {
      await meet()
      done.push(name)
      if (name === 'early') void come('again')
    }
    void come('early')
    expect(done).toEqual([])
    await nextTurn()
    await Promise.resolve()
    expect(done).toEqual(['early'])
    await nextTurn()
    await Promise.resolve()
    expect(done).toEqual(['early', 'again'])
  })
})
