package main

import (
	"crypto/x509"

	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

func parseChain(asked question) (any, error) {
	svid, err := x509svid.ParseRaw(asked.Chain, asked.Key)
	if err != nil {
		return nil, err
	}
	leaf := svid.Certificates[0]
	return []any{svid.ID.String(), leaf.NotBefore.Unix(), leaf.NotAfter.Unix()}, nil
}

func verifyChain(asked question) (any, error) {
	chain, err := x509.ParseCertificates(asked.Chain)
	if err != nil {
		return nil, err
	}
	id, _, err := x509svid.Verify(chain, trusted, x509svid.WithTime(asked.Now))
	if err != nil {
		return nil, err
	}
	return id.String(), nil
}
