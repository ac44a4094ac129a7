import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { chainStart, nextLine } from '../../../src/audit/chain.ts'
import type { AuditEvent } from '../../../src/audit/event.ts'
import { readTrailFigures } from '../../../src/report/figures.ts'

function trailOf(events: readonly Partial<AuditEvent>[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'figures-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  let head = chainStart
  const lines = events.map((event) => {
    const whole = { time: new Date(0), actor: { kind: 'server' }, decision: 'allow' } as const
    const next = nextLine(head, { kind: 'token.denied', ...whole, ...event })
    head = next.head
    return `${next.line}\n`
  })
  writeFileSync(join(folder, 'audit.log'), lines.join(''))
  return join(folder, 'audit.log')
}

const deny = { decision: 'deny' } as const

test('refusals by a reason that is known are counted, however many reasons there are', async () => {
  const reasons = Array.from({ length: 150 }, (_, n) => `reason-${n}`)
  const denied = [...reasons, 'reason-0', 'reason-149'].map((reason) => ({ ...deny, reason }))
  const { denials } = await readTrailFigures(trailOf(denied), {})
  expect([denials.size, denials.get('reason-0'), denials.get('reason-149')]).toEqual([
    ...[100, 2, undefined],
  ])
})

test('a subject is another issuer’s where that is named: in a broker’s trail each caller has one', async () => {
  const issued = { kind: 'token.issued', subject: 'repo:a/b' } as const
  const { foreignSubjects } = await readTrailFigures(
    trailOf([
      { ...issued, details: { subjectIssuer: 'https://issuer.example' } },
      { ...issued, ...deny, details: { subjectIssuer: 'https://issuer.example' } },
      { kind: 'broker.called', subject: 'spiffe://example.org/web' },
    ]),
    {},
  )
  expect(foreignSubjects).toBe(1)
})

test('tokens are counted by how clients proved themselves, by their life and by what they are bound to; canaries are not', async () => {
  const by = (auth: string) => ({ actor: { kind: 'workload', auth } }) as const
  const figures = await readTrailFigures(
    trailOf([
      { kind: 'token.issued', ttlSeconds: 60, confirmation: 'a'.repeat(43), ...by('spiffe_x509') },
      { kind: 'token.exchanged', ttlSeconds: 300, ...by('spiffe_jwt') },
      { kind: 'token.issued', ttlSeconds: 120, ...by('spiffe_jwt') },
      { kind: 'token.issued', ttlSeconds: 900, confirmation: 'a'.repeat(43), reason: 'canary' },
      { kind: 'svid.jwt.issued', ttlSeconds: 3600, actor: { kind: 'agent' } },
    ]),
    {},
  )
  expect(figures).toMatchObject({ records: 5, tokens: 3, boundTokens: 1, longestSeconds: 300 })
  expect([...figures.auth]).toEqual([
    ['spiffe_x509', 1],
    ['spiffe_jwt', 2],
  ])
})

test('what somebody should look at is counted: SVIDs by hand, owners cut off, what was withheld, heads and policies', async () => {
  const at = (seconds: number) => ({ time: new Date(seconds * 1000) })
  const figures = await readTrailFigures(
    trailOf([
      { kind: 'svid.x509.issued', actor: { kind: 'local' }, ...at(1) },
      { kind: 'svid.jwt.issued', actor: { kind: 'local' } },
      { kind: 'svid.jwt.issued', actor: { kind: 'agent' } },
      { kind: 'entry.created', actor: { kind: 'local' } },
      { kind: 'revocation.written', details: { kind: 'owner', id: 'team' } },
      { kind: 'revocation.written', details: { kind: 'entry', id: 'e1' } },
      { kind: 'entry.created', purpose: 'Bearer a-long-secret' },
      { kind: 'policy.loaded', policyRevision: 'one' },
      { kind: 'policy.refused', ...deny, reason: 'policy-id', policyRevision: 'two' },
      { kind: 'trail.head', ...at(8) },
      { kind: 'server.stopped', ...at(9) },
    ]),
    {},
  )
  expect(figures).toMatchObject({
    ...{ signedByHand: 2, ownersCutOff: 1, withheld: 1, policyRevision: 'one' },
    ...{ from: '1970-01-01T00:00:01.000Z', to: '1970-01-01T00:00:09.000Z' },
    lastHead: '1970-01-01T00:00:08.000Z',
  })
  expect(figures.kinds.get('revocation.written')).toBe(2)
  expect([...figures.denials]).toEqual([['policy-id', 1]])
})
