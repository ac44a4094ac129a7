import { z } from 'zod'
import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import { parsedBy } from '../../src/runtime/config-value.ts'
import { SpiffeId, type TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { maxLabels } from '../entry/labels.ts'

const word = z.string().min(1).max(256)

export type ForeignClientsFile = readonly {
  readonly spiffe_id: SpiffeId
  readonly owner: string
  readonly purpose?: string | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
}[]

/** As an operator writes it. */
export const foreignClientsSchema: z.ZodType<ForeignClientsFile> = z
  .array(
    z.strictObject({
      spiffe_id: parsedBy(SpiffeId.parse),
      owner: word,
      purpose: word.optional(),
      labels: z
        .record(word, z.string().max(256))
        .refine((labels) => Object.keys(labels).length <= maxLabels, `at most ${maxLabels} labels`)
        .optional(),
    }),
  )
  .max(1024)

/** What is in a file of its own: the same list as in the configuration, under the same name. */
export const foreignClientFileSchema: z.ZodType<{ readonly foreign_clients: ForeignClientsFile }> =
  z.strictObject({ foreign_clients: foreignClientsSchema })

/**
 * Workloads of other trust domains that may ask for tokens: what an entry is to those of this one. They prove themselves
 * by SVIDs of their own trust domain, whose bundle is here by federation. Throws `invalid` `config-oauth`.
 */
export function readForeignClients(
  said: ForeignClientsFile,
  trustDomain: TrustDomain,
): ReadonlyMap<SpiffeId, Entry> {
  const clients = new Map<SpiffeId, Entry>()
  for (const { spiffe_id: spiffeId, owner, purpose = '', labels = {} } of said) {
    if (SpiffeId.trustDomainOf(spiffeId) === trustDomain || SpiffeId.pathOf(spiffeId) === '') {
      refuse(`${spiffeId} is no workload of another trust domain`, 'make an entry for one of this')
    }
    if (clients.has(spiffeId)) refuse(`${spiffeId} is there twice`, 'name each client once')
    clients.set(spiffeId, entryOf(spiffeId, { owner, purpose, labels }))
  }
  return clients
}

/** Nothing is issued by it but access tokens: it is in no index, so that no agent hears of it. */
function entryOf(spiffeId: SpiffeId, said: Pick<Entry, 'owner' | 'purpose' | 'labels'>): Entry {
  return Object.freeze({
    ...{ id: `foreign:${spiffeId}`, spiffeId, parentId: spiffeId, selectors: [] },
    ...{ x509SvidTtlSeconds: 0, jwtSvidTtlSeconds: 0, federatesWith: [], dnsNames: [] },
    ...{ admin: false, downstream: false, storeSvid: false, disableX509SvidPrefetch: false },
    ...{ jwtSvidIncludeJti: false, jwtSvidSingleUse: false, expiresAt: undefined, hint: '' },
    disabledAt: undefined,
    ...{ revision: 0, createdAt: new Date(0) },
    ...said,
  })
}

function refuse(message: string, fix: string): never {
  throw new CountersignError('invalid', `oauth.foreign_clients: ${message}`, {
    reason: 'config-oauth',
    fix,
  })
}
