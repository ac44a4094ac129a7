import fc from 'fast-check'
import { createPolicyEngine } from '../../src/policy/engine.ts'
import { readPolicySet } from '../../src/policy/policy-set.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { textEdits, withTextEdits } from '../support/text-edits.ts'
import { withTextBytes } from './bytes.ts'

const now = new Date('2026-06-01T12:00:00Z')

/** Policies, nested more than Cedar survives: whatever is read, decisions are made afterwards as before. */
export async function policyParser(): Promise<{
  inputs: fc.Arbitrary<Uint8Array>
  take(input: Uint8Array): Promise<void>
}> {
  const sample = `@id("a") permit (principal is Workload, action in Action::"getToken", resource)
when { principal.owner == "x" && ["r"].containsAll(context.scopes) && context.ttl * 2 < 300 }
unless { if resource has env then resource.env like "p*" else !principal.hasTag("env") };
@id("b") forbid (principal, action == Action::"revoke", resource in Node::"spiffe://example.org/n") when { false || true };`
  const nested = [
    '(',
    '[',
    '{a:',
    '!',
    '-',
    'true && ',
    'if true then ',
    '.a',
    ' + 1',
    'when {',
    '"',
    '//',
  ]
  const pieces = nested.flatMap((piece) => [piece, piece.repeat(200), piece.repeat(20_000)])
  const texts = fc
    .tuple(fc.constantFrom(sample, ''), textEdits([...pieces, ';', ')', ']', '}', '\\', '\n']))
    .map(([text, edits]) => withTextEdits(text, edits))
  const engine = createPolicyEngine()
  const all = await readPolicySet(
    [{ name: 'all.cedar', text: '@id("all") permit (principal, action, resource);' }],
    systemClock,
  )
  let asked = 0
  return {
    inputs: withTextBytes(texts),
    async take(input) {
      const file = { name: 'a.cedar', text: Buffer.from(input.subarray(0, 256 << 10)).toString() }
      const outcome = await readPolicySet([file], systemClock).catch((error: unknown) => error)
      // Whatever it was, policies are decided by as before.
      if (asked % 100 === 0) engine.load(all)
      const target = { kind: 'node', id: String(asked++) } as const
      const by = { operator: 'o' }
      if (!engine.decide({ action: 'revoke', by, target }, now).allowed) throw new Error('no more')
      if (outcome instanceof Error) throw outcome
    },
  }
}
