import type { Framework } from './framework.ts'

export const aiRmf: Framework = {
  id: 'ai-rmf',
  name: 'NIST AI Risk Management Framework 1.0 (AI 100-1)',
  note: 'The rows that the identity of an agent has a part in; the others are about the model, its people and its use, and are not covered at all. An AI agent is a workload like any other here.',
  rows: [
    {
      id: 'GOVERN 1.6',
      about: 'there is an inventory of AI systems',
      queries: ['entries that nobody answers for'],
      tests: ['an entry is in the index and on record when the answer comes'],
      gaps: 'which entries are of AI systems is for labels to say; systems without an entry are unknown',
    },
    {
      id: 'GOVERN 1.7',
      about: 'AI systems are decommissioned safely',
      queries: ['what was taken away', 'entries without an end'],
      tests: [
        'a deletion revokes what the entry gave, and with the last entry of an ID what the ID has',
      ],
      gaps: 'data and models that are left behind',
    },
    {
      id: 'GOVERN 2.1',
      about: 'who answers for what is written down',
      queries: ['entries that nobody answers for'],
      tests: [
        'a token says which entry it is for, who answers for that, and starts a transaction of its own',
      ],
      gaps: 'an owner is a name: whether there is such a team is not looked up',
    },
    {
      id: 'GOVERN 6.1',
      about: 'policies address the risks of third parties',
      queries: ['calls to vendors'],
      tests: ['policy decides on method, path, address and owner'],
      gaps: 'rights in data and models of third parties',
    },
    {
      id: 'GOVERN 6.2',
      about: 'there is a way out where a third party fails',
      queries: ['calls to vendors'],
      tests: ['when its key is older than it may be, which a new key ends'],
      gaps: 'another vendor in its place',
    },
    {
      id: 'MEASURE 2.4',
      about: 'what the system does is monitored in production',
      queries: ['what was refused', 'calls to vendors'],
      tests: [
        'each call is on record before it is sent: who, for whom, which policy, and no secret',
      ],
      gaps: 'what a model says and decides',
    },
    {
      id: 'MEASURE 2.7',
      about: 'security and resilience are evaluated and documented',
      queries: ['the last signed head'],
      tests: [
        'T10 finds an end that was cut off, up to the last signed head, and says who signed it',
        'a sink has all of the trail when the server has stopped, and its last head finds a cut-off end',
      ],
      gaps: 'attacks on the model itself',
    },
    {
      id: 'MEASURE 2.8',
      about: 'transparency and accountability: who did what for whom',
      queries: ['the last signed head', 'policies in force'],
      tests: [
        'what was issued is on record: for whom, for what, by which policy, and never the token',
        'RFC 8693 §4.1 a token that was exchanged names who passed the request on, the last of them first',
      ],
      gaps: 'why a model acted as it did',
    },
    {
      id: 'MANAGE 2.3',
      about: 'one can respond to a risk that was not known before',
      queries: ['what was taken away', 'keys that came and went'],
      tests: [
        'RFC 7009 §2 a token that its client revokes is refused by the service, which asks nobody',
      ],
      gaps: 'recovery of what was done before',
    },
    {
      id: 'MANAGE 2.4',
      about: 'a system can be disengaged or deactivated',
      queries: ['what was taken away'],
      tests: [
        'T26 a ban cuts the open stream of the agent at once and refuses what follows',
        'T26 deleting an entry ends its tokens at the service, and its SVID proves nothing any more',
      ],
      gaps: 'the process itself runs on, without an identity',
    },
    {
      id: 'MANAGE 3.1',
      about: 'resources of third parties are monitored and controlled',
      queries: ['calls to vendors', 'identities of other issuers'],
      tests: ['what a broker knows of its keys outlives it: age, last use, calls'],
      gaps: 'third parties that are not called through the broker',
    },
    {
      id: 'MANAGE 4.1',
      about: 'monitoring after deployment, with override and incident response',
      queries: ['what was refused', 'the last signed head'],
      tests: ['has all records in order, through all files, a bounded number at a time'],
      gaps: 'input of users, and appeals',
    },
    {
      id: 'MANAGE 4.3',
      about: 'incidents are tracked and told',
      queries: ['what was refused'],
      tests: ['posts log records in JSON: the line is the body, the trace is the caller’s'],
      gaps: 'who has to be told, and telling them',
    },
  ],
}
