import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openTrail, type Trail } from '../../../../server/audit/trail.ts'
import { type Bundles, createBundles } from '../../../../server/bundle/bundles.ts'
import { type Ca, type CaDeps, createCa } from '../../../../server/ca/ca.ts'
import { fileKeyManager } from '../../../../server/ca/key-manager.ts'
import type { CaSettings } from '../../../../server/ca/settings.ts'
import { openChanges } from '../../../../server/changes/changes.ts'
import { factWriter } from '../../../../server/revocation/write-facts.ts'
import { openSqlite } from '../../../../server/store/sqlite.ts'
import { openStore, type Store } from '../../../../server/store/store.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import type { FakeClock } from '../../../../src/testing/fake-clock.ts'

const defaultCaSettings: Omit<CaSettings, 'trustDomain'> = {
  caTtlSeconds: 86_400,
  x509KeyKind: 'ec-p256',
  jwtKeyKind: 'ec-p256',
  jwtRs256Audiences: [],
  oauth: false,
  oauthKeyKind: 'ec-p256',
  events: false,
  x509SvidTtlSeconds: 3600,
  jwtSvidTtlSeconds: 300,
  agentTtlSeconds: 86_400,
  jwtIssuer: undefined,
}

export const trustDomain: TrustDomain = TrustDomain.parse('example.org')

export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'ca-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) }
}

/** A CA on a real store and trail, fed by the change log, as a server has it. */
export interface RunningCa extends AsyncDisposable {
  readonly ca: Ca
  readonly store: Store
  readonly trail: Trail
  readonly bundles: Bundles
  /** Resolves when this server has heard of all that was committed. */
  caughtUp(): Promise<void>
}

export async function startCa(options: {
  readonly folder: string
  readonly clock: FakeClock
  readonly settings?: Partial<CaSettings>
  /** Two servers on one store have a trail each. */
  readonly name?: string
  readonly judge?: CaDeps['judge']
  readonly keys?: CaDeps['keys']
}): Promise<RunningCa> {
  const closing = new AsyncDisposableStack()
  try {
    return await startInto(closing, options)
  } catch (error) {
    await closing.disposeAsync()
    throw error
  }
}

async function startInto(
  closing: AsyncDisposableStack,
  options: Parameters<typeof startCa>[0],
): Promise<RunningCa> {
  const { folder, clock, name = 'one' } = options
  const trail = closing.use(
    await openTrail({ path: join(folder, `${name}.log`), clock, log: silentLog }),
  )
  const store = closing.use(
    await openStore({
      sealKey: Buffer.alloc(32, 7),
      connect: () => openSqlite(join(folder, 'data', 'store.db')),
      trustDomain,
      clock,
      log: silentLog,
      beforeCommit: async (events) => void (await trail.append(events)),
    }),
  )
  const ca = await createCa({
    store,
    trail,
    clock,
    log: silentLog,
    keys: options.keys ?? (await fileKeyManager(join(folder, 'wrapping.key'))),
    settings: { ...defaultCaSettings, trustDomain, ...options.settings },
    writeFacts: factWriter({
      trustDomain: TrustDomain.parse('example.org'),
      clock,
      proofSeconds: 86_400,
    }),
    ...(options.judge !== undefined && { judge: options.judge }),
  })
  const bundles = createBundles(trustDomain)
  let position = 0
  const changes = await openChanges(store, {
    clock,
    log: silentLog,
    onBatch: (batch) => {
      bundles.apply(batch)
      ca.apply(batch)
    },
  })
  store.onCommit((committed) => {
    position = committed
  })
  const stop = new AbortController()
  const running = changes.run(stop.signal).catch(() => undefined)
  closing.defer(async () => {
    stop.abort()
    await running
    await ca.settled()
  })
  return {
    ca,
    store,
    trail,
    bundles,
    async caughtUp() {
      await changes.reached(position)
      await ca.settled()
    },
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  }
}
