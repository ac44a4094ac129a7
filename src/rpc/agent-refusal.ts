import { CountersignError } from '../errors.ts'

// What a server tells an agent about its standing. Agents act on the reason, so that each has one wording.

export function agentNotAttested(): CountersignError {
  return new CountersignError('forbidden', 'agent is not attested', {
    reason: 'agent-not-attested',
    fix: 'the agent was evicted or never attested: let it attest again',
  })
}

export function agentBanned(): CountersignError {
  return new CountersignError('forbidden', 'agent is banned', {
    reason: 'agent-banned',
    fix: 'to let the node join again, on the server: countersign agent evict --id ID, countersign token create; then give the agent that token',
  })
}

export function agentNotActive(): CountersignError {
  return new CountersignError('forbidden', 'agent SVID is not active', {
    reason: 'agent-not-active',
    fix: 'a newer SVID of this agent is in use; was its data folder copied?',
  })
}
