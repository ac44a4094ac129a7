package main

import (
	"fmt"
	"time"

	entryv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/entry/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// entries is spire-server entry create, show, count, update, delete, and what Tornjak passes on.
func (o *operator) entries(agent *types.SPIFFEID) {
	client := entryv1.NewEntryClient(o.conn)
	web := &types.Entry{
		SpiffeId: id("/web"), ParentId: agent,
		Selectors:   append(unix("uid:1000"), unix("gid:1000")...),
		X509SvidTtl: 600, JwtSvidTtl: 60, Hint: "web", DnsNames: []string{"web.example.org"},
		ExpiresAt: time.Now().Add(time.Hour).Unix(),
		AdditionalAttributes: &types.Entry_AdditionalAttributes{
			DisableX509SvidPrefetch: true, JwtSvidIncludeJti: true,
		},
	}
	db := &types.Entry{Id: "db.1", SpiffeId: id("/db"), ParentId: agent, Selectors: unix("uid:1001"), Downstream: true}
	made, err := client.BatchCreateEntry(o.ctx, &entryv1.BatchCreateEntryRequest{
		Entries: []*types.Entry{web, db, web, {SpiffeId: id("/bad"), ParentId: agent}},
	})
	must(o, "entry create", made, err)
	if len(made.GetResults()) != 4 {
		o.check("an answer an entry", false, made)
		return
	}
	r := made.Results
	o.check("an entry is created with all that was asked for", hasStatus(r[0].Status, codes.OK, "") &&
		r[0].Entry.Id != "" && r[0].Entry.CreatedAt > 0 && r[0].Entry.X509SvidTtl == 600 &&
		r[0].Entry.JwtSvidTtl == 60 && r[0].Entry.Hint == "web" && r[0].Entry.ExpiresAt == web.ExpiresAt &&
		len(r[0].Entry.DnsNames) == 1 && r[0].Entry.AdditionalAttributes.JwtSvidIncludeJti &&
		r[0].Entry.AdditionalAttributes.DisableX509SvidPrefetch, r[0])
	o.check("an entry keeps the id that it was given", r[1].Entry.GetId() == "db.1", r[1])
	o.check("a similar entry is answered with the one that is there",
		hasStatus(r[2].Status, codes.AlreadyExists, "similar entry already exists") &&
			r[2].Entry.GetId() == r[0].Entry.GetId(), r[2])
	o.check("an entry without selectors is an invalid argument", hasStatus(r[3].Status, codes.InvalidArgument, ""), r[3])
	webID := r[0].Entry.GetId()

	type filter = entryv1.ListEntriesRequest_Filter
	match := func(m types.SelectorMatch_MatchBehavior, values ...string) *filter {
		var selectors []*types.Selector
		for _, value := range values {
			selectors = append(selectors, unix(value)...)
		}
		return &filter{ByParentId: agent, BySelectors: &types.SelectorMatch{Selectors: selectors, Match: m}}
	}
	expected := map[string]struct {
		filter *filter
		count  int
	}{
		"entry show -spiffeID": {&filter{BySpiffeId: id("/web")}, 1},
		// With the entry that came of the token.
		"entry show -parentID":               {&filter{ByParentId: agent}, 3},
		"entry show -selector (superset)":    {match(types.SelectorMatch_MATCH_SUPERSET, "uid:1000"), 1},
		"entry show -selector (exact)":       {match(types.SelectorMatch_MATCH_EXACT, "uid:1000"), 0},
		"entry show -selector twice (exact)": {match(types.SelectorMatch_MATCH_EXACT, "gid:1000", "uid:1000"), 1},
		"entry show -selector (any)":         {match(types.SelectorMatch_MATCH_ANY, "uid:1000", "uid:1001"), 2},
		"entry show -selector (subset)":      {match(types.SelectorMatch_MATCH_SUBSET, "uid:1001", "uid:7"), 1},
		"entry show -hint":                   {&filter{ByHint: wrapperspb.String("web")}, 1},
		"entry show -downstream":             {&filter{ByDownstream: wrapperspb.Bool(true)}, 1},
		"entry show -federatesWith (nobody does)": {&filter{ByFederatesWith: &types.FederatesWithMatch{
			TrustDomains: []string{"peer.test"}, Match: types.FederatesWithMatch_MATCH_ANY,
		}}, 0},
	}
	for name, want := range expected {
		found, err := client.ListEntries(o.ctx, &entryv1.ListEntriesRequest{Filter: want.filter, PageSize: 500})
		must(o, name, found, err)
		o.check(name+" finds what it should", len(found.GetEntries()) == want.count, len(found.GetEntries()))
	}
	count, err := client.CountEntries(o.ctx, &entryv1.CountEntriesRequest{
		Filter: &entryv1.CountEntriesRequest_Filter{ByDownstream: wrapperspb.Bool(true)},
	})
	must(o, "entry count -downstream", count, err)
	o.check("one downstream entry is counted", count.GetCount() == 1, count)
	shown, err := client.GetEntry(o.ctx, &entryv1.GetEntryRequest{Id: webID})
	must(o, "entry show -entryID", shown, err)
	masked, err := client.GetEntry(o.ctx, &entryv1.GetEntryRequest{
		Id: webID, OutputMask: &types.EntryMask{SpiffeId: true},
	})
	must(o, "an entry by mask", masked, err)
	o.check("a mask leaves the id and what it names", masked.GetId() == webID && masked.GetSpiffeId() != nil &&
		masked.GetParentId() == nil && masked.GetHint() == "", masked)

	changed := &types.Entry{Id: webID, SpiffeId: id("/web"), ParentId: agent, Selectors: unix("uid:1002"), Hint: "www"}
	updated, err := client.BatchUpdateEntry(o.ctx, &entryv1.BatchUpdateEntryRequest{
		Entries: []*types.Entry{changed, {Id: "none", SpiffeId: id("/x"), ParentId: agent, Selectors: unix("uid:1")}},
	})
	must(o, "entry update", updated, err)
	o.check("an update without a mask replaces all", len(updated.GetResults()) == 2 &&
		hasStatus(updated.Results[0].Status, codes.OK, "") && updated.Results[0].Entry.RevisionNumber == 1 &&
		updated.Results[0].Entry.X509SvidTtl == 0 && updated.Results[0].Entry.Hint == "www", updated)
	o.check("an update of an unknown entry is not found", len(updated.GetResults()) == 2 &&
		hasStatus(updated.Results[1].Status, codes.NotFound, ""), updated)
	_, err = client.GetEntry(o.ctx, &entryv1.GetEntryRequest{Id: "none"})
	refused(o, "entry show of an unknown one", codes.NotFound, "", err)
	deleted, err := client.BatchDeleteEntry(o.ctx, &entryv1.BatchDeleteEntryRequest{Ids: []string{webID, "none"}})
	must(o, "entry delete", deleted, err)
	o.check("a deletion answers each id", len(deleted.GetResults()) == 2 &&
		hasStatus(deleted.Results[0].Status, codes.OK, "") && deleted.Results[0].Id == webID &&
		hasStatus(deleted.Results[1].Status, codes.NotFound, "") && deleted.Results[1].Id == "none", deleted)
	o.pages(client, agent)
}

// pages goes through a list as spire-server entry show does.
func (o *operator) pages(client entryv1.EntryClient, agent *types.SPIFFEID) {
	var batch []*types.Entry
	for n := range 501 {
		batch = append(batch, &types.Entry{
			SpiffeId: id(fmt.Sprintf("/many/%d", n)), ParentId: agent, Selectors: unix("uid:2000"),
		})
	}
	made, err := client.BatchCreateEntry(o.ctx, &entryv1.BatchCreateEntryRequest{Entries: batch})
	must(o, "501 entries at once", made, err)
	var ids []string
	filter := &entryv1.ListEntriesRequest_Filter{BySelectors: &types.SelectorMatch{
		Selectors: unix("uid:2000"), Match: types.SelectorMatch_MATCH_EXACT,
	}}
	for token, pages := "", 0; ; pages++ {
		page, err := client.ListEntries(o.ctx, &entryv1.ListEntriesRequest{
			Filter: filter, PageSize: 200, PageToken: token,
		})
		must(o, "a page of entries", page, err)
		for _, entry := range page.GetEntries() {
			ids = append(ids, entry.Id)
		}
		if token = page.GetNextPageToken(); token == "" || pages > 3 {
			break
		}
	}
	seen := map[string]bool{}
	for _, one := range ids {
		seen[one] = true
	}
	o.check("pages hold each entry once", len(ids) == 501 && len(seen) == 501, len(ids))
	whole, err := client.ListEntries(o.ctx, &entryv1.ListEntriesRequest{Filter: filter})
	must(o, "a list without pages", whole, err)
	o.check("it is whole", len(whole.GetEntries()) == 501 && whole.GetNextPageToken() == "", len(whole.GetEntries()))
	_, err = client.ListEntries(o.ctx, &entryv1.ListEntriesRequest{PageSize: 2, PageToken: "made up"})
	refused(o, "a page token that was made up", codes.InvalidArgument, "", err)
}

// controllerManager is what spire-controller-manager does at its start and in each round.
func (o *operator) controllerManager(agent *types.SPIFFEID) {
	client := entryv1.NewEntryClient(o.conn)
	for _, name := range []string{"", "cluster.spire-controller-manager.unsupported-fields-test"} {
		probe, err := client.BatchCreateEntry(o.ctx, &entryv1.BatchCreateEntryRequest{Entries: []*types.Entry{{
			Id:          name,
			ParentId:    id("/spire-controller-manager/unsupported-fields-test"),
			SpiffeId:    id("/spire-controller-manager/unsupported-fields-test"),
			Selectors:   []*types.Selector{{Type: "a", Value: "1"}},
			X509SvidTtl: 60, JwtSvidTtl: 60, StoreSvid: true, Hint: "hint",
		}}})
		must(o, "controller manager: which fields are there", probe, err)
		entry := probe.GetResults()[0].GetEntry()
		o.check("controller manager: all of them", hasStatus(probe.Results[0].Status, codes.OK, "") &&
			entry.GetJwtSvidTtl() == 60 && entry.GetX509SvidTtl() == 60 && entry.GetStoreSvid() &&
			entry.GetHint() == "hint", probe)
		gone, err := client.BatchDeleteEntry(o.ctx, &entryv1.BatchDeleteEntryRequest{Ids: []string{entry.GetId()}})
		must(o, "controller manager: and the probe is deleted", gone, err)
	}
	pod := &types.Entry{
		Id:       "cluster.5f7d9c1e-2c3a-4d8b-9e0f-1a2b3c4d5e6f",
		SpiffeId: id("/ns/shop/sa/web"), ParentId: id("/spire/agent/k8s_psat/cluster/node-uid"),
		Selectors: []*types.Selector{{Type: "k8s", Value: "pod-uid:0f7d"}},
		DnsNames:  []string{"web.shop.svc"}, X509SvidTtl: 3600, Hint: "cluster",
	}
	made, err := client.BatchCreateEntry(o.ctx, &entryv1.BatchCreateEntryRequest{Entries: []*types.Entry{pod}})
	must(o, "controller manager: a pod's entry", made, err)
	o.check("controller manager: it is created", hasStatus(made.GetResults()[0].GetStatus(), codes.OK, ""), made)
	pod.DnsNames = append(pod.DnsNames, "web.shop.svc.cluster.local")
	updated, err := client.BatchUpdateEntry(o.ctx, &entryv1.BatchUpdateEntryRequest{Entries: []*types.Entry{pod}})
	must(o, "controller manager: a pod's entry changes", updated, err)
	o.check("controller manager: it has both names", len(updated.GetResults()[0].GetEntry().GetDnsNames()) == 2, updated)
	found, err := client.ListEntries(o.ctx, &entryv1.ListEntriesRequest{
		PageSize: 200, Filter: &entryv1.ListEntriesRequest_Filter{ByHint: wrapperspb.String("cluster")},
	})
	must(o, "controller manager: its own entries by hint", found, err)
	o.check("controller manager: that one", len(found.GetEntries()) == 1, found)
}
