import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { RateLimiter } from '../../../../server/access/limits.ts'
import type { ClientDoor } from '../../../../server/oauth/client-door.ts'
import { createRefusalRecord } from '../../../../server/oauth/refusals.ts'
import { createTokenReader } from '../../../../server/oauth/shown-token.ts'
import { usesIn } from '../../../../server/oauth/single-use.ts'
import { createTokenDoor, type TokenDoorDeps } from '../../../../server/oauth/token-door.ts'
import type { Decision } from '../../../../src/policy/question.ts'
import { emptyHead } from '../../../../src/revocation/fact.ts'
import { RevocationState } from '../../../../src/revocation/state.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { generateKeyPair, spkiOf } from '../../../../src/x509/key.ts'
import { assertionType, form, issuer, orders, resourceOf } from '../../../support/oauth.ts'
import { type RunningCa, startCa, temporaryFolder } from '../ca/ca-fixture.ts'
import { entryOf, idOf } from '../entry/samples.ts'

export const permitted: Decision = { allowed: true, reason: 'policy-permits', policies: ['yes'] }
export const refused: Decision = { allowed: false, reason: 'policy-forbids', policies: ['no'] }

/** How a client proves itself: by a JWT-SVID, or by a certificate and its ID. */
export type Proof =
  | { readonly assertion: string }
  | { readonly chain: readonly Buffer[]; readonly id: SpiffeId }

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly access_token?: string
  readonly error?: string
  readonly [member: string]: unknown
}

/** An authorization server without HTTP, on a real CA, store and trail; each ID has an entry named as its path. */
export interface OauthWorld extends RunningCa {
  readonly clock: FakeClock
  readonly revocations: RevocationState
  readonly deps: TokenDoorDeps
  readonly server: ClientDoor
  /** What is on record, oldest first. */
  records(): readonly Record<string, unknown>[]
  asserting(id: SpiffeId, ttlSeconds?: number, jti?: string): Promise<Proof>
  certified(id: SpiffeId): Promise<Proof>
}

export async function startWorld(
  closing: AsyncDisposableStack,
  more: Partial<TokenDoorDeps> = {},
): Promise<OauthWorld> {
  const folder = closing.use(await temporaryFolder())
  const clock = new FakeClock()
  const revocations = Object.assign(new RevocationState(), { head: emptyHead, since: () => [] })
  const judge: RevocationState['judge'] = (claims, keyId) => revocations.judge(claims, keyId)
  const running = closing.use(
    await startCa({ folder: folder.path, clock, settings: { oauth: true }, judge }),
  )
  await running.caughtUp()
  const { ca, bundles, store, trail } = running
  const audit = { actor: { kind: 'server' } } as const
  const append: typeof trail.append = (events) => trail.append(events)
  const deps: TokenDoorDeps = {
    ...{ ca, bundles, clock, log: silentLog },
    revocations,
    issuedAtOf: (_id, notBefore) => notBefore,
    settings: { issuer, resources: new Map([[orders, resourceOf(orders)]]) },
    entriesOf: (id) => [entryOf({ id: SpiffeId.pathOf(id).slice(1), spiffeId: id })],
    disabledOf: () => [],
    policies: { decide: () => permitted, revision: 'r' },
    tokens: createTokenReader({ issuer, ca, revocations, clock }),
    issued: { ready() {}, note() {} },
    upToDate: async () => {},
    useOnce: usesIn(store, clock),
    refusals: createRefusalRecord({ append, clock }),
    calls: new RateLimiter({ perSecond: 1000, burst: 1000 }, clock),
    ...more,
  }
  return {
    ...running,
    clock,
    revocations,
    deps,
    server: createTokenDoor(deps),
    records: () =>
      readFileSync(join(folder.path, 'one.log'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    async asserting(spiffeId, ttlSeconds = 300, jti) {
      const request = { spiffeId, audience: [issuer], ttlSeconds, jti, audit }
      const { token } = await ca.issueJwt(request)
      return { assertion: token }
    },
    async certified(spiffeId) {
      const { privateKey } = await generateKeyPair('ec-p256')
      const request = { spiffeId, spki: spkiOf(privateKey), ttlSeconds: 0, audit }
      const [svid] = await ca.issueX509([{ ...request, kind: 'workload' }])
      if (svid === undefined || svid instanceof Error) throw svid
      return { chain: svid.chain, id: spiffeId }
    },
  }
}

export const web: SpiffeId = idOf('/web')

/** Sends a form to the door, with the client's proof. */
export async function send(
  door: ClientDoor,
  proof: Proof,
  values: Readonly<Record<string, string | readonly string[]>>,
  accept?: string,
): Promise<Answer & { readonly text: string }> {
  const proving =
    'assertion' in proof
      ? { client_assertion_type: assertionType, client_assertion: proof.assertion }
      : { client_id: proof.id }
  const { status, headers, body } = await door.answer({
    body: form({ ...proving, ...values }),
    authorization: undefined,
    accept,
    chain: 'chain' in proof ? proof.chain : [],
    address: '10.0.0.1:4000',
  })
  const said = headers['content-type'] === 'application/json' ? JSON.parse(body) : {}
  return { ...said, status, headers, text: body }
}

export const wish: Readonly<Record<string, string>> = {
  grant_type: 'client_credentials',
  resource: orders,
  scope: 'orders:read',
}
