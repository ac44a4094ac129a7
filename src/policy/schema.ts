/**
 * What a policy may speak of, in Cedar's own language. A workload is an entry: its tags are the entry's
 * labels. `context.auth` is `spiffe_jwt` or `spiffe_x509`; `context.ttl` is in seconds.
 */
export const cedarSchema = `
entity Workload = { path: String, owner: String, purpose: String } tags String;
entity Api;
action issueToken appliesTo {
  principal: Workload,
  resource: Api,
  context: { scopes: Set<String>, ttl: Long, auth: String },
};
`
