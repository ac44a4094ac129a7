import { hash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { type ChainHead, chainStart, nextLine, verify } from '../../../src/audit/chain.ts'
import type { AuditEvent } from '../../../src/audit/event.ts'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'

function event(serial: string): AuditEvent {
  return {
    kind: 'svid.x509.issued',
    time: new Date('2026-06-01T12:00:00Z'),
    actor: { kind: 'agent', id: SpiffeId.parse('spiffe://example.org/spire/agent/x') },
    spiffeId: SpiffeId.parse('spiffe://example.org/web'),
    serial,
    decision: 'allow',
  }
}

function chainOf(count: number): { lines: string[]; head: ChainHead } {
  const lines: string[] = []
  let head = chainStart
  for (let i = 0; i < count; i += 1) {
    const next = nextLine(head, event(String(i)))
    lines.push(next.line)
    head = next.head
  }
  return { lines, head }
}

/** As they were written before events had a trace, actors and policies of their own. */
const old = [
  '{"v":1,"n":1,"time":"2026-06-01T12:00:00.000Z","kind":"entry.created","actor":{"kind":"local","uid":0,"pid":41},"spiffeId":"spiffe://example.org/web","entryId":"0196f0a0-0000-7000-8000-000000000001","owner":"team-web","purpose":"the shop","decision":"allow","requestId":"7f9c24e8-3b12-4b0f-9c11-000000000001","details":{"parentId":"spiffe://example.org/spire/agent/x","revision":1},"prev":"0000000000000000000000000000000000000000000000000000000000000000","hash":"5fe93b1738de61a2e08ce42bb8a9f77e7d1d68bccbcfc7bf368b81d43214ef40"}',
  '{"v":1,"n":2,"time":"2026-06-01T12:00:01.000Z","kind":"token.issued","actor":{"kind":"workload","id":"spiffe://example.org/web","address":"127.0.0.1:5000"},"spiffeId":"spiffe://example.org/web","jti":"8b1d6a3e-0000-4000-8000-000000000002","audience":["https://orders"],"authorityId":"k1","expiresAt":"2026-06-01T12:05:01.000Z","owner":"team-web","decision":"allow","details":{"scope":"orders:read orders:list","auth":"spiffe_jwt","policies":"web-reads web-lists","policyRevision":"ab12"},"prev":"5fe93b1738de61a2e08ce42bb8a9f77e7d1d68bccbcfc7bf368b81d43214ef40","hash":"e78d5bfc9850fb0dc72c2ff392a76bf9effd6c8dad7a1b12d5468171e6e65730"}',
]

describe('a chain of audit lines', () => {
  test('goes on where one of an older version ends, and both verify', () => {
    const { head } = verify(old)
    expect(head.number).toBe(2)
    const next = nextLine(head, {
      ...event('3'),
      trace: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`,
    })
    expect(verify([...old, next.line])).toEqual({ verified: 3, head: next.head, fault: undefined })
  })

  test('verifies as it was written, whole or from a known head on', () => {
    const { lines, head } = chainOf(5)
    expect(verify(lines, { expected: head })).toEqual({ verified: 5, head, fault: undefined })
    const middle = verify(lines.slice(0, 3)).head
    expect(verify(lines.slice(3), { from: middle }).fault).toBeUndefined()
  })

  test('T10 a line of a wrong number or version, and another end, are found, whoever made the hashes fit', () => {
    const { lines, head } = chainOf(2)
    const skipped = nextLine({ ...head, number: 7 }, event('x')).line
    expect(verify([...lines, skipped]).fault).toEqual({ kind: 'line-out-of-place', line: 3 })
    const body = (lines[0] ?? '').replace('{"v":1,', '{"v":2,').replace(/,"hash":.*/, '')
    const version2 = `${body},"hash":"${hash('sha256', body, 'hex')}"}`
    expect(verify([version2]).fault).toEqual({ kind: 'line-changed', line: 1 })
    for (const expected of [
      { ...head, hash: chainStart.hash },
      { ...head, number: 3 },
    ]) {
      expect(verify(lines, { expected }).fault).toEqual({ kind: 'end-differs', line: 3 })
    }
  })

  test('T10 any flipped bit of any line is found', () => {
    const { lines } = chainOf(3)
    for (const [i, line] of lines.entries()) {
      for (let at = 0; at < line.length; at += 1) {
        for (let bit = 1; bit < 256; bit *= 2) {
          const byte = String.fromCharCode(line.charCodeAt(at) ^ bit)
          const changed = `${line.slice(0, at)}${byte}${line.slice(at + 1)}`
          // A newline makes two lines of one, neither of which is whole.
          const all = lines.with(i, changed).flatMap((one) => one.split('\n'))
          if (verify(all).fault?.line !== i + 1) expect.fail(`bit ${bit} of byte ${at}`)
        }
      }
    }
  })

  test('T10 a line that is removed, repeated, moved or put in is found', () => {
    const { lines, head } = chainOf(4)
    const [a = '', b = '', c = '', d = ''] = lines
    const forged = nextLine(chainStart, event('forged')).line
    expect(verify([a, c, d]).fault).toEqual({ kind: 'line-out-of-place', line: 2 })
    expect(verify([b, c, d]).fault).toEqual({ kind: 'line-out-of-place', line: 1 })
    expect(verify([a, a, b, c, d]).fault).toEqual({ kind: 'line-out-of-place', line: 2 })
    expect(verify([a, c, b, d]).fault).toEqual({ kind: 'line-out-of-place', line: 2 })
    expect(verify([forged, b, c, d]).fault).toEqual({ kind: 'line-out-of-place', line: 2 })
    expect(verify([a, b, c], { expected: head }).fault).toEqual({ kind: 'end-differs', line: 4 })
    expect(verify([a, '', b]).fault).toEqual({ kind: 'line-changed', line: 2 })
  })

  test.each([
    'a\n\u0000\u001b[31m\u007f\u0085\u2028\u202e","hash":"é😀',
    'a\u007f',
    'a\u0085',
    'a\ud800',
  ])('a line is one line of printable ASCII, whatever is in its values: %j', (nasty) => {
    const { line } = nextLine(chainStart, {
      ...event('1'),
      owner: nasty,
      details: { [nasty]: nasty },
    })
    expect(line).toMatch(/^[ -~]+$/)
    const read = JSON.parse(line) as { owner: string; details: Record<string, string> }
    expect(read.owner).toBe(nasty)
    expect(read.details[nasty]).toBe(nasty)
    expect(verify([line]).fault).toBeUndefined()
  })

  test('only the members of an event come on record', () => {
    const { line } = nextLine(chainStart, { ...event('1'), token: 'eyJ' } as AuditEvent)
    expect(line).not.toContain('eyJ')
  })
})
