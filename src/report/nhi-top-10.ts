import type { Framework } from './framework.ts'

export const nhiTop10: Framework = {
  id: 'nhi',
  name: 'OWASP Non-Human Identities Top 10, 2025',
  note: 'Short-lived credentials are NHI7 (Long-Lived Secrets), and not NHI3 (Vulnerable Third-Party NHI), as is sometimes written.',
  rows: [
    {
      id: 'NHI1:2025',
      about: 'Improper Offboarding: identities that nobody needs any more live on',
      queries: [
        'what was taken away',
        'entries that nobody answers for',
        'entries without an end',
        'entries that are disabled',
        'static keys of callers',
      ],
      tests: [
        'who is removed is out at once, with the tokens that he has',
        'T26 deleting an entry ends its tokens at the service, and its SVID proves nothing any more',
        'an entry that is disabled gives nobody anything within a second, and enabled gives it anew; what was before stays dead',
        'a deletion revokes what the entry gave, and with the last entry of an ID what the ID has',
        'T19 banned stays out, whatever it shows',
      ],
      gaps: 'nobody is told of an entry that is no longer used, nor asked to look at it again after a time',
    },
    {
      id: 'NHI2:2025',
      about: 'Secret Leakage: keys and tokens where others find them',
      queries: ['credentials kept out of the trail', 'bound tokens', 'static keys of callers'],
      tests: [
        'T21 holds nothing that looks like a token, a key or an SVID, wherever somebody put it',
        'T21 T28 the key is in no log, trail, metric or file of the broker, whatever comes',
        'T30 gets a token that is bound to its certificate, and no other certificate can use it',
      ],
      gaps: 'repositories, pipelines and chats are not searched; a static key that leaks opens its door, from its network, until somebody revokes it; a JWT-SVID that leaks is good until it ends, unless its entry says that it is good once',
    },
    {
      id: 'NHI3:2025',
      about: 'Vulnerable Third-Party NHI: what a vendor was given is used against its owner',
      queries: ['calls to vendors', 'identities of other issuers'],
      tests: [
        'one key is for one integration, also after the other has let go of it',
        'policy decides on method, path, address and owner',
        'T30 nothing that says who asks reaches the vendor, whatever it is called',
      ],
      gaps: 'what a vendor does with what it has; extensions of editors and pipelines; vendors that are not called through the broker',
    },
    {
      id: 'NHI4:2025',
      about: 'Insecure Authentication: old or weak ways in',
      queries: ['how clients proved themselves', 'what was refused', 'static keys of callers'],
      tests: [
        'RFC 8705 a resource whose tokens are bound gives none to a client without a certificate',
        'an access token proves no workload: not to this server, nor as a JWT-SVID',
        'X509-24 a client that shows an expired SVID is refused in the handshake',
      ],
      gaps: 'other ways into a service that it keeps open beside these',
    },
    {
      id: 'NHI5:2025',
      about: 'Overprivileged NHI: more rights than the work needs',
      queries: ['what policies refused', 'who can reach what now', 'entries with more rights'],
      tests: [
        'nothing gets wider: no scope, no other resource of a holder, not two resources',
        'a policy that is mistyped at the start ends the server',
        'of a policy that forbids and cannot be evaluated is no, though another permits',
      ],
      gaps: 'no list of rights that were given and never used',
    },
    {
      id: 'NHI6:2025',
      about: 'Insecure Cloud Deployment Configurations: pipelines trusted on too little',
      queries: ['identities of other issuers'],
      tests: [
        'GitHub Actions, by its repository and its branch',
        'what is not said is pinned: RS256, ten minutes, once, and access tokens alone',
        'T30 of one GitHub token shown over two connections at once one is exchanged, and of one shown later none',
      ],
      gaps: "what the cloud's own rules say of the identities that it takes from here",
    },
    {
      id: 'NHI7:2025',
      about: 'Long-Lived Secrets: credentials that are good for months',
      queries: ['the longest life of a token', 'static keys of callers', 'keys that came and went'],
      tests: [
        'a legacy caller ends by itself at its end date, and no token of it lives on',
        'a token ends with the SVID behind it, and none is issued for one that has ended',
        'keys for access tokens rotate by themselves, each published before it signs, and are in no bundle',
        'when its key is older than it may be, which a new key ends',
        'a key whose file changes is taken over while it runs, on record, and no call fails by it',
      ],
      gaps: 'a caller that can send nothing else keeps one static key until its end, up to 90 days, and is given no other by itself; no vendor is asked for another key by itself: past its age the broker refuses the one that it has, and takes over what somebody puts in its place',
    },
    {
      id: 'NHI8:2025',
      about: 'Environment Isolation: one identity for test and production',
      queries: ['what policies refused'],
      tests: [
        'environments are kept apart unless told; a resource may name its own, and its owner',
      ],
      gaps: 'the environment is what operators say it is: nothing finds a wrong label',
    },
    {
      id: 'NHI9:2025',
      about: 'NHI Reuse: one identity for several workloads',
      queries: ['identities that are shared', 'copies of an agent'],
      tests: [
        'one secret twice is refused: at once, later, and after a restart',
        'T19 a copy of an agent is kept out once both were seen, and is in the list and on record',
      ],
      gaps: 'two programs that the same selectors are true of get the same identity',
    },
    {
      id: 'NHI10:2025',
      about: "Human Use of NHI: people who work under a program's name",
      queries: ['SVIDs signed by hand'],
      tests: [
        'the ID of an agent is never that of a workload, not even with an admin entry or in another domain',
      ],
      gaps: "whoever has a shell as the workload's user gets its identity: a person is not told apart from the program",
    },
  ],
}
