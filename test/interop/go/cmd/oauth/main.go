// Command oauth is a workload in Go that has no secret: it gets access tokens with its SVIDs, once by mutual TLS and
// once by assertion, reads them with go-oidc, and calls a service with them.
//
//	oauth ISSUER ADDRESS CA-FILE RESOURCE SCOPE SERVICE
//
// ADDRESS is where the issuer's host is reached, SERVICE where the resource is. One JSON line a token: {method, claims,
// changed, status, body}, or {method, error}. `changed` is why a changed token is refused.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"

type metadata struct {
	Issuer        string `json:"issuer"`
	TokenEndpoint string `json:"token_endpoint"`
	KeysURI       string `json:"jwks_uri"`
}

type workload struct {
	issuer, address, resource, scope, service string
	roots                                     *x509.CertPool
	source                                    *workloadapi.X509Source
}

func main() {
	if len(os.Args) != 7 {
		fmt.Fprintln(os.Stderr, "usage: oauth ISSUER ADDRESS CA-FILE RESOURCE SCOPE SERVICE")
		os.Exit(64)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	pem, err := os.ReadFile(args[2])
	if err != nil {
		return err
	}
	w := workload{issuer: args[0], address: args[1], resource: args[3], scope: args[4], service: args[5], roots: x509.NewCertPool()}
	w.roots.AppendCertsFromPEM(pem)
	if w.source, err = workloadapi.NewX509Source(ctx); err != nil {
		return err
	}
	defer w.source.Close()
	svid, err := w.source.GetX509SVID()
	if err != nil {
		return err
	}
	tokens := map[string]func(context.Context, metadata) (*oauth2.Token, error){
		"spiffe_x509": func(ctx context.Context, m metadata) (*oauth2.Token, error) {
			return w.ask(ctx, m, svid, url.Values{})
		},
		"spiffe_jwt": func(ctx context.Context, m metadata) (*oauth2.Token, error) {
			return w.byAssertion(ctx, m, svid)
		},
	}
	for method, get := range tokens {
		answer, err := w.use(ctx, svid, get)
		if err != nil {
			answer = map[string]any{"error": err.Error()}
		}
		answer["method"] = method
		if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
			return err
		}
	}
	return nil
}

func (w workload) byAssertion(ctx context.Context, m metadata, svid *x509svid.SVID) (*oauth2.Token, error) {
	source, err := workloadapi.NewJWTSource(ctx)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	assertion, err := source.FetchJWTSVID(ctx, jwtsvid.Params{Audience: m.Issuer})
	if err != nil {
		return nil, err
	}
	values := url.Values{"client_assertion_type": {assertionType}, "client_assertion": {assertion.Marshal()}}
	return w.ask(context.WithValue(ctx, oauth2.HTTPClient, w.client(w.address, nil)), m, svid, values)
}

func (w workload) ask(ctx context.Context, m metadata, svid *x509svid.SVID, values url.Values) (*oauth2.Token, error) {
	values.Set("resource", w.resource)
	config := clientcredentials.Config{
		ClientID:       svid.ID.String(),
		TokenURL:       m.TokenEndpoint,
		Scopes:         []string{w.scope},
		EndpointParams: values,
		AuthStyle:      oauth2.AuthStyleInParams,
	}
	return config.Token(ctx)
}

// use gets a token, reads it by the issuer's keys, and shows it to the service.
func (w workload) use(ctx context.Context, svid *x509svid.SVID, get func(context.Context, metadata) (*oauth2.Token, error)) (map[string]any, error) {
	client := w.client(w.address, svid)
	ctx = context.WithValue(ctx, oauth2.HTTPClient, client)
	m, err := discover(client, w.issuer)
	if err != nil {
		return nil, err
	}
	token, err := get(ctx, m)
	if err != nil {
		return nil, err
	}
	keys := oidc.NewRemoteKeySet(oidc.ClientContext(ctx, client), m.KeysURI)
	verifier := oidc.NewVerifier(m.Issuer, keys, &oidc.Config{ClientID: w.resource, SupportedSigningAlgs: []string{oidc.ES256}})
	verified, err := verifier.Verify(ctx, token.AccessToken)
	if err != nil {
		return nil, err
	}
	claims := map[string]any{}
	if err := verified.Claims(&claims); err != nil {
		return nil, err
	}
	_, changed := verifier.Verify(ctx, token.AccessToken[:len(token.AccessToken)-8]+"AAAAAAAA")
	status, body, err := call(w.client(w.service, svid), w.resource, token)
	if err != nil {
		return nil, err
	}
	return map[string]any{"claims": claims, "changed": fmt.Sprint(changed), "status": status, "body": body}, nil
}

func discover(client *http.Client, issuer string) (metadata, error) {
	m := metadata{}
	answer, err := client.Get(issuer + "/.well-known/oauth-authorization-server")
	if err != nil {
		return m, err
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&m); err != nil {
		return m, err
	}
	if m.Issuer != issuer {
		return m, fmt.Errorf("the metadata are of %q", m.Issuer)
	}
	return m, nil
}

func call(client *http.Client, resource string, token *oauth2.Token) (int, string, error) {
	request, err := http.NewRequest(http.MethodGet, resource+"/list", nil)
	if err != nil {
		return 0, "", err
	}
	token.SetAuthHeader(request)
	answer, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), err
}

// client reaches every host at one address, and shows the SVID where it is given.
func (w workload) client(address string, svid *x509svid.SVID) *http.Client {
	config := &tls.Config{RootCAs: w.roots}
	if svid != nil {
		certificate := tls.Certificate{PrivateKey: svid.PrivateKey}
		for _, one := range svid.Certificates {
			certificate.Certificate = append(certificate.Certificate, one.Raw)
		}
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &certificate, nil
		}
	}
	dialer := net.Dialer{Timeout: 30 * time.Second}
	return &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig: config,
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, address)
			},
		},
	}
}
