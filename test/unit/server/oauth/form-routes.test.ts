import { fastify } from 'fastify'
import { expect, test } from 'vitest'
import type { ClientDoor } from '../../../../server/oauth/client-door.ts'
import { formRoutes } from '../../../../server/oauth/form-routes.ts'
import { silentLog } from '../../../../src/runtime/log.ts'

test('an answer that waits for what never comes ends as an error, which nothing has to be written for', async () => {
  const app = fastify()
  const forever = new Promise<never>(() => {})
  const door: ClientDoor = { answer: () => forever, refuse: () => forever }
  const forms = formRoutes(app, { chainOf: () => [], answerWithinMs: 20, log: silentLog })
  forms.add('/token', door)
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const answer = await app.inject({ method: 'POST', url: '/token', headers, payload: 'a=b' })
  expect(answer).toMatchObject({ statusCode: 503, headers: { 'retry-after': '1' } })
  expect(answer.json()).toMatchObject({ error: 'temporarily_unavailable' })
  await app.close()
})
