import { decodeJwt } from 'jose'
import { expect, onTestFinished, test } from 'vitest'
import { runHere } from '../support/command.ts'
import { orders } from '../support/oauth.ts'
import { someAgent, wireEntry } from '../support/running-server.ts'
import { postAs, startTokenServer } from '../support/token-server.ts'

const forTheTeam = `
@id("team")
permit (principal is Workload, action == Action::"issueToken", resource == Api::"${orders}")
when { principal.owner == "web-team" };
`

test('T26 what an entry was granted is decided anew once the entry is updated', async () => {
  const server = await startTokenServer({ policy: forTheTeam })
  onTestFinished(() => server.remove())
  const { results } = await server
    .admin('spire.api.server.entry.v1.Entry')
    .unary('BatchCreateEntry', { entries: [wireEntry({ path: '/web', parent: someAgent })] })
  const id = results[0]?.entry?.id ?? expect.fail()
  const own = async (owner: string): Promise<void> => {
    const socket = ['--admin-socket', server.config.adminSocket]
    const { code } = await runHere(['entry', 'update', '--id', id, '--owner', owner, ...socket])
    expect(code).toBe(0)
  }
  const values = { grant_type: 'client_credentials', resource: orders, scope: 'orders:read' }
  const asked = () => postAs(server, '/web', '/oauth/token', values)
  // Twice: at its start a server looks at everything, soon after once more.
  for (let times = 0; times < 2; times += 1) {
    await own('web-team')
    await expect.poll(async () => (await asked()).status).toBe(200)
    const token = JSON.parse((await asked()).body).access_token as string
    const introspected = async () =>
      JSON.parse((await postAs(server, '/web', '/oauth/introspect', { token })).body)
    expect(await introspected()).toMatchObject({ active: true, jti: decodeJwt(token).jti })
    await own('another-team')
    await expect.poll(introspected).toEqual({ active: false })
    expect((await asked()).status).toBe(400)
  }
})
