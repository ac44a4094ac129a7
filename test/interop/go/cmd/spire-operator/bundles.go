package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/url"
	"time"

	bundlev1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/bundle/v1"
	entryv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/entry/v1"
	trustdomainv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/trustdomain/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"google.golang.org/grpc/codes"
)

// peer makes the bundle of another trust domain.
func (o *operator) peer(name string) *types.Bundle {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(o, "a key", key, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		URIs: []*url.URL{{Scheme: "spiffe", Host: name}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(o, "a CA certificate", der, err)
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	must(o, "a public key", public, err)
	return &types.Bundle{
		TrustDomain:     name,
		X509Authorities: []*types.X509Certificate{{Asn1: der}},
		JwtAuthorities:  []*types.JWTKey{{PublicKey: public, KeyId: "key of " + name}},
		RefreshHint:     60, SequenceNumber: 42,
	}
}

// bundles is spire-server bundle show, set, list, delete, count.
func (o *operator) bundles(agent *types.SPIFFEID) {
	client := bundlev1.NewBundleClient(o.conn)
	own, err := client.GetBundle(o.ctx, &bundlev1.GetBundleRequest{})
	must(o, "bundle show", own, err)
	o.check("the own bundle has authorities of both kinds", own.GetTrustDomain() == trustDomain &&
		len(own.GetX509Authorities()) > 0 && len(own.GetJwtAuthorities()) > 0 && own.GetSequenceNumber() > 0, own)
	peer := o.peer("peer.test")
	set, err := client.BatchSetFederatedBundle(o.ctx, &bundlev1.BatchSetFederatedBundleRequest{
		Bundle: []*types.Bundle{peer},
	})
	must(o, "bundle set", set, err)
	o.check("a bundle is set", hasStatus(set.GetResults()[0].GetStatus(), codes.OK, ""), set)
	list, err := client.ListFederatedBundles(o.ctx, &bundlev1.ListFederatedBundlesRequest{})
	must(o, "bundle list", list, err)
	o.check("the bundle is listed as it was set", len(list.GetBundles()) == 1 &&
		list.Bundles[0].TrustDomain == "peer.test" && list.Bundles[0].SequenceNumber == 42 &&
		string(list.Bundles[0].X509Authorities[0].Asn1) == string(peer.X509Authorities[0].Asn1), list)
	shown, err := client.GetFederatedBundle(o.ctx, &bundlev1.GetFederatedBundleRequest{TrustDomain: "spiffe://peer.test"})
	must(o, "bundle list -id", shown, err)
	_, err = client.GetFederatedBundle(o.ctx, &bundlev1.GetFederatedBundleRequest{TrustDomain: "none.test"})
	refused(o, "bundle list -id of an unknown one", codes.NotFound, "bundle not found", err)
	count, err := client.CountBundles(o.ctx, &bundlev1.CountBundlesRequest{})
	must(o, "bundle count", count, err)
	o.check("both bundles are counted", count.GetCount() == 2, count)
	again, err := client.BatchCreateFederatedBundle(o.ctx, &bundlev1.BatchCreateFederatedBundleRequest{
		Bundle: []*types.Bundle{peer},
	})
	must(o, "a bundle is created twice", again, err)
	o.check("the second time it is there already",
		hasStatus(again.GetResults()[0].GetStatus(), codes.AlreadyExists, "bundle already exists"), again)

	entries := entryv1.NewEntryClient(o.conn)
	made, err := entries.BatchCreateEntry(o.ctx, &entryv1.BatchCreateEntryRequest{Entries: []*types.Entry{{
		SpiffeId: id("/federated"), ParentId: agent, Selectors: unix("uid:3000"), FederatesWith: []string{"spiffe://peer.test"},
	}}})
	must(o, "entry create -federatesWith", made, err)
	o.check("the entry federates", len(made.GetResults()[0].GetEntry().GetFederatesWith()) == 1, made)
	remove := func(mode bundlev1.BatchDeleteFederatedBundleRequest_Mode) *types.Status {
		answer, err := client.BatchDeleteFederatedBundle(o.ctx, &bundlev1.BatchDeleteFederatedBundleRequest{
			TrustDomains: []string{"peer.test"}, Mode: mode,
		})
		must(o, "bundle delete -mode "+mode.String(), answer, err)
		return answer.GetResults()[0].GetStatus()
	}
	held := remove(bundlev1.BatchDeleteFederatedBundleRequest_RESTRICT)
	o.check("a bundle in use stays", hasStatus(held, codes.FailedPrecondition, "federated with 1 registration entries"), held)
	gone := remove(bundlev1.BatchDeleteFederatedBundleRequest_DISSOCIATE)
	o.check("a bundle goes, and the entry stays without it", hasStatus(gone, codes.OK, ""), gone)
	entry, err := entries.GetEntry(o.ctx, &entryv1.GetEntryRequest{Id: made.Results[0].Entry.GetId()})
	must(o, "the entry", entry, err)
	o.check("it federates with nobody", len(entry.GetFederatesWith()) == 0, entry)
	absent := remove(bundlev1.BatchDeleteFederatedBundleRequest_DELETE)
	o.check("a bundle goes once", hasStatus(absent, codes.NotFound, "bundle not found"), absent)
}

// federation is spire-server federation create, list, show, update, refresh, delete.
func (o *operator) federation() {
	client := trustdomainv1.NewTrustDomainClient(o.conn)
	relationship := &types.FederationRelationship{
		TrustDomain: "fed.test", BundleEndpointUrl: "https://fed.test/bundle",
		BundleEndpointProfile: &types.FederationRelationship_HttpsSpiffe{
			HttpsSpiffe: &types.HTTPSSPIFFEProfile{EndpointSpiffeId: "spiffe://fed.test/spire/server"},
		},
		TrustDomainBundle: o.peer("fed.test"),
	}
	made, err := client.BatchCreateFederationRelationship(o.ctx, &trustdomainv1.BatchCreateFederationRelationshipRequest{
		FederationRelationships: []*types.FederationRelationship{relationship},
	})
	must(o, "federation create", made, err)
	created := made.GetResults()[0].GetFederationRelationship()
	o.check("a relationship is created with its bundle", hasStatus(made.Results[0].Status, codes.OK, "") &&
		created.GetHttpsSpiffe().GetEndpointSpiffeId() == "spiffe://fed.test/spire/server" &&
		created.GetTrustDomainBundle().GetSequenceNumber() == 42, made)
	list, err := client.ListFederationRelationships(o.ctx, &trustdomainv1.ListFederationRelationshipsRequest{PageSize: 200})
	must(o, "federation list", list, err)
	o.check("it is listed", len(list.GetFederationRelationships()) == 1, list)
	relationship.BundleEndpointProfile = &types.FederationRelationship_HttpsWeb{HttpsWeb: &types.HTTPSWebProfile{}}
	updated, err := client.BatchUpdateFederationRelationship(o.ctx, &trustdomainv1.BatchUpdateFederationRelationshipRequest{
		FederationRelationships: []*types.FederationRelationship{relationship},
		InputMask:               &types.FederationRelationshipMask{BundleEndpointProfile: true},
	})
	must(o, "federation update", updated, err)
	shown, err := client.GetFederationRelationship(o.ctx, &trustdomainv1.GetFederationRelationshipRequest{TrustDomain: "fed.test"})
	must(o, "federation show", shown, err)
	o.check("its profile is another now", shown.GetHttpsWeb() != nil && shown.GetHttpsSpiffe() == nil, shown)
	_, err = client.RefreshBundle(o.ctx, &trustdomainv1.RefreshBundleRequest{TrustDomain: "none.test"})
	refused(o, "federation refresh of an unknown one", codes.NotFound, "no relationship with trust domain", err)
	deleted, err := client.BatchDeleteFederationRelationship(o.ctx, &trustdomainv1.BatchDeleteFederationRelationshipRequest{
		TrustDomains: []string{"fed.test", "none.test"},
	})
	must(o, "federation delete", deleted, err)
	o.check("each deletion has its status", hasStatus(deleted.GetResults()[0].GetStatus(), codes.OK, "") &&
		hasStatus(deleted.GetResults()[1].GetStatus(), codes.NotFound, ""), deleted)
}
