import { fastify } from 'fastify'
import { expect, test } from 'vitest'
import type { ClientDoor } from '../../../../server/oauth/client-door.ts'
import { formRoutes } from '../../../../server/oauth/form-routes.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { silentLog } from '../../../../src/runtime/log.ts'

const headers = { 'content-type': 'application/x-www-form-urlencoded' }
const request = { method: 'POST', url: '/token', headers, payload: 'a=b' } as const

test('an answer that waits for what never comes ends as an error, which nothing has to be written for', async () => {
  const app = fastify()
  const forever = new Promise<never>(() => {})
  const door: ClientDoor = { answer: () => forever, refuse: () => forever }
  const forms = formRoutes(app, { chainOf: () => [], answerWithinMs: 20, log: silentLog })
  forms.add('/token', door)
  const answer = await app.inject(request)
  expect(answer).toMatchObject({ statusCode: 503, headers: { 'retry-after': '1' } })
  expect(answer.json()).toMatchObject({ error: 'temporarily_unavailable' })
  await app.close()
})

test('one that comes after that is dropped, and one that came in time is told of by nobody', async () => {
  const app = fastify()
  const answers = [
    { status: 200, headers: {}, body: 'in time' },
    { status: 200, headers: {}, body: 'late' },
  ]
  const late = Promise.withResolvers<void>()
  const errors: unknown[] = []
  const door: ClientDoor = {
    async answer() {
      const answer = answers.shift()
      if (answer === undefined) throw new Error('asked once more')
      if (answer.body === 'late') await late.promise
      return answer
    },
    refuse: () => Promise.reject(new Error('nothing is refused')),
  }
  const log = { ...silentLog, error: (...said: unknown[]) => void errors.push(said) }
  formRoutes(app, { chainOf: () => [], answerWithinMs: 100, log }).add('/token', door)
  expect(await app.inject(request)).toMatchObject({ statusCode: 200, body: 'in time' })
  expect((await app.inject(request)).statusCode).toBe(503)
  late.resolve()
  await app.close()
  expect(errors).toHaveLength(1)
})

test('of a door that fails it is told as such alone, and one that then waits for ever is late all the same', async () => {
  const app = fastify()
  const errors: unknown[] = []
  const log = { ...silentLog, error: (said: unknown) => void errors.push(said) }
  const full = new CountersignError('unavailable', 'full', { reason: 'audit-unwritable' })
  const faults = [new Error('broken'), full]
  const door: ClientDoor = {
    answer: () => Promise.reject(faults.shift()),
    refuse: () => new Promise(() => {}),
  }
  formRoutes(app, { chainOf: () => [], answerWithinMs: 50, log }).add('/token', door)
  expect((await app.inject(request)).statusCode).toBe(500)
  expect((await app.inject(request)).statusCode).toBe(503)
  await app.close()
  expect(errors).toEqual([
    'a request for a token could not be served',
    'a request for a token was not answered in time',
  ])
})
