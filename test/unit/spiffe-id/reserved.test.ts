import { expect, test } from 'vitest'
import {
  isAgentId,
  isReserved,
  joinTokenAgentId,
  serverId,
} from '../../../src/spiffe-id/reserved.ts'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import { reasonOf } from '../../support/x509-fixtures.ts'

const td = TrustDomain.parse('example.org')

test('the server and the agents have their fixed names', () => {
  expect(serverId(td)).toBe('spiffe://example.org/spire/server')
  expect(joinTokenAgentId(td, 'abc')).toBe('spiffe://example.org/spire/agent/join_token/abc')
})

test.each(['', '.', '..', 'a/b', 'a b', '/'])('an agent is not named %j', (name) => {
  expect(reasonOf(() => joinTokenAgentId(td, name))).not.toBe('ok')
})

test.each([
  ['spiffe://td/spire', true, false],
  ['spiffe://td/spire/server', true, false],
  ['spiffe://td/spire/agent', true, false],
  ['spiffe://td/spire/agent/x', true, true],
  ['spiffe://td/spire/agent/join_token/x', true, true],
  ['spiffe://td/spire/agents/x', true, false],
  ['spiffe://td/spires', false, false],
  ['spiffe://td/a/spire/agent/x', false, false],
  ['spiffe://spire/agent/x', false, false],
  ['spiffe://td/SPIRE/agent/x', false, false],
  ['spiffe://td', false, false],
])('%s is reserved: %s, an agent: %s', (text, reserved, agent) => {
  const id = SpiffeId.parse(text)
  expect(isReserved(id)).toBe(reserved)
  expect(isAgentId(id)).toBe(agent)
})
