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
