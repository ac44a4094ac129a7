// Command oidc is a relying party on coreos/go-oidc: it discovers an issuer and verifies the tokens, one a
// line of standard input, that are meant for AUDIENCE.
//
//	oidc ISSUER ADDRESS CA-FILE AUDIENCE
//
// ADDRESS is where the issuer's host is reached. One JSON line a token: {subject} or {refused}.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: oidc ISSUER ADDRESS CA-FILE AUDIENCE")
		os.Exit(64)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(issuer, address, caFile, audience string) error {
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	dialer := net.Dialer{Timeout: 30 * time.Second}
	client := &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots},
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, address)
			},
		},
	}
	ctx := oidc.ClientContext(context.Background(), client)
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return err
	}
	verifier := provider.Verifier(&oidc.Config{ClientID: audience})
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		answer := map[string]string{}
		token, err := verifier.Verify(ctx, lines.Text())
		if err != nil {
			answer["refused"] = err.Error()
		} else {
			answer["subject"] = token.Subject
		}
		if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
			return err
		}
	}
	return nil
}
