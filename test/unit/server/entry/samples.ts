import type { ChangeBatch } from '../../../../server/changes/changes.ts'
import type {
  AgentRecord,
  AuthorityKind,
  AuthorityRecord,
} from '../../../../server/store/records.ts'
import type { Entry, Selector } from '../../../../src/entry/entry.ts'
import { sortSelectors } from '../../../../src/entry/selector.ts'
import { SpiffeId, TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'

export const trustDomain: TrustDomain = TrustDomain.parse('example.org')

export function idOf(path: string): SpiffeId {
  return SpiffeId.of(trustDomain, path)
}

export const server: SpiffeId = idOf('/spire/server')

export function agentIdOf(name: string): SpiffeId {
  return idOf(`/spire/agent/join_token/${name}`)
}

export function selectorsOf(...values: readonly string[]): Selector[] {
  return sortSelectors(values.map((value) => ({ type: 'unix', value })))
}

export function entryOf(fields: Partial<Entry> & { readonly id: string }): Entry {
  return {
    spiffeId: idOf(`/${fields.id}`),
    parentId: agentIdOf('a'),
    selectors: selectorsOf('uid:1000'),
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
    createdAt: new Date('2026-06-01T12:00:00Z'),
    disableX509SvidPrefetch: false,
    jwtSvidIncludeJti: false,
    jwtSvidSingleUse: false,
    owner: '',
    purpose: '',
    labels: {},
    ...fields,
  }
}

export function agentOf(name: string, fields: Partial<AgentRecord> = {}): AgentRecord {
  return {
    id: agentIdOf(name),
    attestationType: 'join_token',
    selectors: [],
    serial: '01',
    expiresAt: new Date('2026-06-01T13:00:00Z'),
    pendingSerial: '',
    pendingExpiresAt: undefined,
    banned: false,
    canReattest: false,
    version: '',
    attestedAt: new Date('2026-06-01T12:00:00Z'),
    ...fields,
  }
}

/** A batch in which these come or change, and those go. */
export function batchOf(changes: {
  readonly entries?: readonly Entry[]
  readonly goneEntries?: readonly string[]
  readonly agents?: readonly AgentRecord[]
  readonly goneAgents?: readonly SpiffeId[]
}): ChangeBatch {
  const entries = new Map<string, Entry | undefined>()
  for (const entry of changes.entries ?? []) entries.set(entry.id, entry)
  for (const id of changes.goneEntries ?? []) entries.set(id, undefined)
  const agents = new Map<SpiffeId, AgentRecord | undefined>()
  for (const agent of changes.agents ?? []) agents.set(agent.id, agent)
  for (const id of changes.goneAgents ?? []) agents.set(id, undefined)
  return {
    from: 0,
    to: 1,
    entries,
    agents,
    bundles: new Map(),
    authoritiesChanged: false,
    policiesChanged: false,
    facts: [],
  }
}

/** One that nothing can be signed with. */
export function authorityOf(kind: AuthorityKind): AuthorityRecord {
  const none = Buffer.alloc(0)
  const at = new Date(0)
  return {
    ...{ id: `an-${kind}`, kind, slot: 'active', keyKind: 'ec-p256', tainted: false },
    ...{ publicKey: none, certificate: none, sealedKey: none, notBefore: at, notAfter: at },
  }
}
