package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	bundlev1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/bundle/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// fetchBundles gets the bundle of the own trust domain and of each named one; what the server does
// not have is left out.
func fetchBundles(ctx context.Context, conn *grpc.ClientConn, federated []string) (*spiffebundle.Set, error) {
	own, err := ownBundle(ctx, conn)
	if err != nil {
		return nil, err
	}
	set := spiffebundle.NewSet(own)
	for _, name := range federated {
		td, err := spiffeid.TrustDomainFromString(name)
		if err != nil {
			return nil, err
		}
		wire, err := bundlev1.NewBundleClient(conn).GetFederatedBundle(
			ctx, &bundlev1.GetFederatedBundleRequest{TrustDomain: td.Name()})
		switch status.Code(err) {
		case codes.OK:
			bundle, err := bundleOf(wire)
			if err != nil {
				return nil, err
			}
			set.Add(bundle)
		case codes.NotFound:
			tell("federated-bundle-missing", map[string]any{"trust_domain": name})
		default:
			return nil, fmt.Errorf("failed to fetch federated bundle: %w", err)
		}
	}
	return set, nil
}

func bundleOf(wire *types.Bundle) (*spiffebundle.Bundle, error) {
	td, err := spiffeid.TrustDomainFromString(wire.TrustDomain)
	if err != nil {
		return nil, fmt.Errorf("bundle has an invalid trust domain: %w", err)
	}
	bundle := spiffebundle.New(td)
	for _, authority := range wire.X509Authorities {
		certificates, err := x509.ParseCertificates(authority.Asn1)
		if err != nil {
			return nil, fmt.Errorf("unable to parse X.509 authority: %w", err)
		}
		for _, certificate := range certificates {
			bundle.AddX509Authority(certificate)
		}
	}
	for _, authority := range wire.JwtAuthorities {
		if authority.KeyId == "" {
			return nil, errors.New("missing key ID")
		}
		key, err := x509.ParsePKIXPublicKey(authority.PublicKey)
		if err != nil {
			return nil, fmt.Errorf("unable to parse JWT authority: %w", err)
		}
		if err := bundle.AddJWTAuthority(authority.KeyId, key); err != nil {
			return nil, err
		}
	}
	if wire.RefreshHint > 0 {
		bundle.SetRefreshHint(time.Duration(wire.RefreshHint) * time.Second)
	}
	bundle.SetSequenceNumber(wire.SequenceNumber)
	return bundle, nil
}
