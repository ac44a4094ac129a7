import type { Framework } from './framework.ts'

export const csf: Framework = {
  id: 'csf',
  name: 'NIST Cybersecurity Framework 2.0, PR.AA',
  note: 'Where a text says PR.AC-1, it speaks of CSF 1.1: in 2.0 the category is PR.AA, PR.AC-1 became PR.AA-01, and PR.AA-04 is new. The other categories of CSF are not looked at here.',
  rows: [
    {
      id: 'PR.AA-01',
      about: 'identities and credentials are managed: issued, replaced, taken away',
      queries: [
        'SVIDs and attestations',
        'keys that came and went',
        'static keys of callers',
        'what was taken away',
      ],
      tests: [
        'what is issued verifies and is on record first, a batch in one write',
        'an entry is in the index and on record when the answer comes',
        'T26 deleting an entry ends its tokens at the service, and its SVID proves nothing any more',
      ],
      gaps: "people's accounts and hardware",
    },
    {
      id: 'PR.AA-02',
      about: 'an identity is proved before it gets a credential, which is bound to it',
      queries: ['SVIDs and attestations', 'bound tokens'],
      tests: [
        'T17 a token that is unknown or too long is refused alike',
        'T30 gets a token that is bound to its certificate, and no other certificate can use it',
      ],
      gaps: 'a node proves itself by a join token that an operator hands over, and by nothing of its hardware',
    },
    {
      id: 'PR.AA-03',
      about: 'services prove who they are',
      queries: ['how clients proved themselves', 'what was refused'],
      tests: [
        'X509-24 a client that shows an expired SVID is refused in the handshake',
        'an access token proves no workload: not to this server, nor as a JWT-SVID',
      ],
      gaps: 'people: operators come by the admin socket, or by an SVID of an admin entry',
    },
    {
      id: 'PR.AA-04',
      about: 'what one says of an identity to another is protected and verified at every hop',
      queries: ['bound tokens', 'other trust domains'],
      tests: [
        'RFC 8693 §4.1 a token that was exchanged names who passed the request on, the last of them first',
        'gets a token for one resource, and a service lets it in, by the issuer’s keys alone',
        'is refused on the next request, of whatever it was revoked by, though its signature was good before',
      ],
      gaps: 'services that do not check what they are shown',
    },
    {
      id: 'PR.AA-05',
      about:
        'rights stand in a policy, are enforced and reviewed, and are as few as the work needs',
      queries: ['policies in force', 'who can reach what now', 'what policies refused'],
      tests: [
        'nothing gets wider: no scope, no other resource of a holder, not two resources',
        'a policy that comes while the server runs is in force, and on record',
        'the server says whether a workload can get a scope, by which policy, and what was missing',
      ],
      gaps: 'separation of duties among operators: whoever may open the admin socket may do all; nobody is reminded to review',
    },
    {
      id: 'PR.AA-06',
      about: 'physical access to assets',
      queries: [],
      tests: [],
      gaps: 'all of it: no program can answer for a door',
    },
  ],
}
