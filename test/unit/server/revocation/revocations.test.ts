import { expect, test } from 'vitest'
import { createRevocations } from '../../../../server/revocation/revocations.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

test('T20 what was revoked stays so though the wall clock is two hours ahead for a while, and is forgotten in time', async () => {
  const clock = new FakeClock()
  const revocations = createRevocations({ clock, write: async () => 0 })
  const endsAt = clock.now().getTime() / 1000 + 600
  const fact = { kind: 'token', id: 'jti', notBefore: 0, endsAt, number: 1, hash: 'h' } as const
  revocations.apply({ facts: [fact] })
  clock.jump(7_200_000)
  revocations.apply({ facts: [] })
  clock.jump(-7_200_000)
  revocations.apply({ facts: [] })
  expect(revocations.judge({ jti: 'jti' })).toMatchObject({ id: 'jti' })
  await clock.advance(720_000)
  revocations.apply({ facts: [] })
  expect(revocations.judge({ jti: 'jti' })).toBeUndefined()
})
