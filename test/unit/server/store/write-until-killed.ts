import { writeSync } from 'node:fs'
import { insertEntries } from '../../../../server/store/entries.ts'
import { openSqlite } from '../../../../server/store/sqlite.ts'
import { openStore } from '../../../../server/store/store.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { SpiffeId, TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'

// Writes entries from eight callers at once, and prints the id of each one that was acknowledged.
const [path = '', round = ''] = process.argv.slice(2)
const trustDomain = TrustDomain.parse('example.org')
const store = await openStore({
  sealKey: Buffer.alloc(32, 7),
  connect: () => openSqlite(path),
  trustDomain,
  log: silentLog,
  clock: systemClock,
})

async function writeOn(caller: number): Promise<never> {
  for (let i = 0; ; i += 1) {
    const id = `${round}-${caller}-${i}`
    await store.write((tx) =>
      insertEntries(tx, [
        {
          id,
          spiffeId: SpiffeId.of(trustDomain, `/${id}`),
          parentId: SpiffeId.of(trustDomain, '/node'),
          selectors: [{ type: 'unix', value: 'uid:1000' }],
          x509SvidTtlSeconds: 0,
          jwtSvidTtlSeconds: 0,
          federatesWith: [],
          admin: false,
          downstream: false,
          expiresAt: undefined,
          disabledAt: undefined,
          dnsNames: [],
          revision: 0,
          storeSvid: false,
          hint: '',
          createdAt: systemClock.now(),
          disableX509SvidPrefetch: false,
          jwtSvidIncludeJti: false,
          jwtSvidSingleUse: false,
          owner: '',
          purpose: '',
          labels: {},
        },
      ]),
    )
    writeSync(1, `${id}\n`)
  }
}

await Promise.all(Array.from({ length: 8 }, (_, caller) => writeOn(caller)))
