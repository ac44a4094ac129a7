/**
 * What a policy may speak of, in Cedar's own language. A workload is an entry: its tags are the entry's
 * labels. `context.auth` is how the client proved itself, `context.ttl` is in seconds, and `context.time` is
 * the minute in which the question is asked, UTC.
 */
export const cedarSchema = `
entity Workload = { id: String, path: String, owner: String, purpose: String } tags String;
entity Operator;
entity Api, Integration = { owner?: String, env?: String };
entity Token = { client: Workload, audience: String, owner: String };
entity Transaction, SpiffeId, Entry, Owner, Key, TrustDomain, Node;

action getToken;
action issueToken in [getToken] appliesTo {
  principal: Workload,
  resource: Api,
  context: { scopes: Set<String>, ttl: Long, auth: String, address: ipaddr, time: datetime },
};
action exchangeToken in [getToken] appliesTo {
  principal: Workload,
  resource: Api,
  context: {
    scopes: Set<String>, ttl: Long, auth: String, address: ipaddr, time: datetime,
    subject: String, actors: Set<String>, depth: Long, audience: String,
  },
};
action callVendor appliesTo {
  principal: Workload,
  resource: Integration,
  context: { method: String, path: String, address: ipaddr, time: datetime },
};
action revoke appliesTo {
  principal: [Workload, Operator],
  resource: [Token, Transaction, SpiffeId, Entry, Owner, Api, Integration, Key, TrustDomain, Node],
  context: { time: datetime },
};
`

/** Which actions are in a group. */
export const actionGroups: ReadonlyMap<string, readonly string[]> = new Map([
  ['getToken', ['issueToken', 'exchangeToken']],
])
