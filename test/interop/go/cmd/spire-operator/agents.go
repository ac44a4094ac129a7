package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"strings"
	"time"

	agentv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/agent/v1"
	entryv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/entry/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// tokens is spire-server token generate; a node then attests with one, and its ID is given back.
func (o *operator) tokens() *types.SPIFFEID {
	client := agentv1.NewAgentClient(o.conn)
	token, err := client.CreateJoinToken(o.ctx, &agentv1.CreateJoinTokenRequest{
		Ttl: 600, AgentId: id("/node"),
	})
	must(o, "token generate -spiffeID", token, err)
	left := time.Until(time.Unix(token.GetExpiresAt(), 0))
	o.check("a token has a value and ends after its time", token.GetValue() != "" &&
		left > 9*time.Minute && left < 11*time.Minute, left)
	own, err := client.CreateJoinToken(o.ctx, &agentv1.CreateJoinTokenRequest{
		Ttl: 60, Token: "0bd6c7a2-56f3-4b1b-8c5c-6d5b5fdc7a31",
	})
	must(o, "token generate with a token of one's own", own, err)
	_, err = client.CreateJoinToken(o.ctx, &agentv1.CreateJoinTokenRequest{})
	refused(o, "a token without a time to live", codes.InvalidArgument, "", err)

	agent := o.attest(client, token.GetValue())
	aliases, err := entryv1.NewEntryClient(o.conn).ListEntries(o.ctx, &entryv1.ListEntriesRequest{
		Filter: &entryv1.ListEntriesRequest_Filter{BySpiffeId: id("/node")},
	})
	must(o, "entry show of the token's ID", aliases, err)
	o.check("the token's ID is an entry below the agent", len(aliases.GetEntries()) == 1 &&
		aliases.Entries[0].ParentId.Path == agent.GetPath(), aliases)
	return agent
}

func (o *operator) attest(client agentv1.AgentClient, token string) *types.SPIFFEID {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(o, "a key", key, err)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	must(o, "a certificate request", csr, err)
	stream, err := client.AttestAgent(o.ctx)
	must(o, "a node attests", stream, err)
	err = stream.Send(&agentv1.AttestAgentRequest{
		Step: &agentv1.AttestAgentRequest_Params_{Params: &agentv1.AttestAgentRequest_Params{
			Data:   &types.AttestationData{Type: "join_token", Payload: []byte(token)},
			Params: &agentv1.AgentX509SVIDParams{Csr: csr},
		}},
	})
	must(o, "its token is sent", token, err)
	answer, err := stream.Recv()
	must(o, "it is attested", answer, err)
	return answer.GetResult().GetSvid().GetId()
}

// agents is spire-server agent list, show, count, ban, evict, purge.
func (o *operator) agents(agent *types.SPIFFEID) {
	client := agentv1.NewAgentClient(o.conn)
	list, err := client.ListAgents(o.ctx, &agentv1.ListAgentsRequest{PageSize: 1000})
	must(o, "agent list", list, err)
	o.check("the agent is listed whole", len(list.GetAgents()) == 1 &&
		list.Agents[0].AttestationType == "join_token" && list.Agents[0].X509SvidSerialNumber != "" &&
		list.Agents[0].X509SvidExpiresAt > 0 && !list.Agents[0].Banned && !list.Agents[0].CanReattest, list)
	shown, err := client.GetAgent(o.ctx, &agentv1.GetAgentRequest{Id: agent})
	must(o, "agent show", shown, err)
	masked, err := client.ListAgents(o.ctx, &agentv1.ListAgentsRequest{
		OutputMask: &types.AgentMask{AttestationType: true},
	})
	must(o, "agents by mask", masked, err)
	o.check("a mask leaves the ID and what it names", len(masked.GetAgents()) == 1 &&
		masked.Agents[0].Id != nil && masked.Agents[0].AttestationType != "" &&
		masked.Agents[0].X509SvidSerialNumber == "", masked)

	type filter = agentv1.ListAgentsRequest_Filter
	expected := map[string]struct {
		filter *filter
		count  int
	}{
		"agent list -attestationType join_token": {&filter{ByAttestationType: "join_token"}, 1},
		"agent list -attestationType x509pop":    {&filter{ByAttestationType: "x509pop"}, 0},
		"agent list -banned":                     {&filter{ByBanned: wrapperspb.Bool(true)}, 0},
		"agent list -canReattest":                {&filter{ByCanReattest: wrapperspb.Bool(true)}, 0},
		"agent purge: not re-attestable":         {&filter{ByCanReattest: wrapperspb.Bool(false)}, 1},
		"agent list -expiresBefore past":         {&filter{ByExpiresBefore: "2020-01-02 15:04:05 -0700 -07"}, 0},
		"agent list -expiresBefore future":       {&filter{ByExpiresBefore: "2099-01-02 15:04:05 -0700 -07"}, 1},
		"agent list -selector": {&filter{BySelectorMatch: &types.SelectorMatch{
			Selectors: unix("none"), Match: types.SelectorMatch_MATCH_ANY,
		}}, 0},
	}
	for name, want := range expected {
		found, err := client.ListAgents(o.ctx, &agentv1.ListAgentsRequest{Filter: want.filter})
		must(o, name, found, err)
		o.check(name+" finds what it should", len(found.GetAgents()) == want.count, found)
	}
	count, err := client.CountAgents(o.ctx, &agentv1.CountAgentsRequest{})
	must(o, "agent count", count, err)
	o.check("one agent is counted", count.GetCount() == 1, count)

	unknown := id("/spire/agent/join_token/none")
	_, err = client.GetAgent(o.ctx, &agentv1.GetAgentRequest{Id: unknown})
	refused(o, "agent show of an unknown one", codes.NotFound, "agent not found", err)
	_, err = client.DeleteAgent(o.ctx, &agentv1.DeleteAgentRequest{Id: unknown})
	refused(o, "agent evict of an unknown one", codes.NotFound, "agent not found", err)
	_, err = client.BanAgent(o.ctx, &agentv1.BanAgentRequest{Id: unknown})
	refused(o, "agent ban of an unknown one", codes.NotFound, "agent not found", err)
	_, err = client.GetAgent(o.ctx, &agentv1.GetAgentRequest{})
	refused(o, "agent show of none", codes.InvalidArgument, "", err)

	second, err := client.CreateJoinToken(o.ctx, &agentv1.CreateJoinTokenRequest{Ttl: 60})
	must(o, "a second token", second, err)
	other := o.attest(client, second.GetValue())
	_, err = client.BanAgent(o.ctx, &agentv1.BanAgentRequest{Id: other})
	must(o, "agent ban", other, err)
	banned, err := client.GetAgent(o.ctx, &agentv1.GetAgentRequest{Id: other})
	must(o, "agent show of a banned one", banned, err)
	o.check("a banned agent is shown as such", banned.GetBanned() && banned.GetX509SvidSerialNumber() == "" &&
		strings.HasPrefix(banned.GetId().GetPath(), "/spire/agent/"), banned)
	_, err = client.DeleteAgent(o.ctx, &agentv1.DeleteAgentRequest{Id: other})
	must(o, "agent evict", other, err)
	_, err = client.GetAgent(o.ctx, &agentv1.GetAgentRequest{Id: other})
	refused(o, "an evicted agent is gone", codes.NotFound, "agent not found", err)
}
