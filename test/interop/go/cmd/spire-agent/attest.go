package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	agentv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/agent/v1"
	bundlev1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/bundle/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"google.golang.org/grpc"
)

// attest proves this node, over a connection that shows no certificate, and takes the bundle that the
// server serves after that.
func attest(ctx context.Context, c config, kept *state) error {
	if c.joinToken == "" {
		return errors.New("join token is required to attest")
	}
	ctx, cancel := context.WithTimeout(ctx, rpcTimeout)
	defer cancel()
	conn, err := dial(c, &state{roots: kept.roots})
	if err != nil {
		return err
	}
	defer conn.Close()
	key, csr, err := newRequest(nil)
	if err != nil {
		return err
	}
	result, err := attestWithToken(ctx, conn, c.joinToken, csr)
	if err != nil {
		return err
	}
	bundle, err := ownBundle(ctx, conn)
	if err != nil {
		return err
	}
	chain, err := agentChain(result.Svid, bundle)
	if err != nil {
		return err
	}
	kept.svid = &identity{chain, key}
	kept.roots = bundle.X509Authorities()
	tell("attested", map[string]any{
		"id":           idOf(chain),
		"reattestable": result.Reattestable,
		"serial":       chain[0].SerialNumber.String(),
	})
	return nil
}

func attestWithToken(
	ctx context.Context, conn *grpc.ClientConn, token string, csr []byte,
) (*agentv1.AttestAgentResponse_Result, error) {
	stream, err := agentv1.NewAgentClient(conn).AttestAgent(ctx)
	if err != nil {
		return nil, err
	}
	err = stream.Send(&agentv1.AttestAgentRequest{
		Step: &agentv1.AttestAgentRequest_Params_{
			Params: &agentv1.AttestAgentRequest_Params{
				Data:   &types.AttestationData{Type: "join_token", Payload: []byte(token)},
				Params: &agentv1.AgentX509SVIDParams{Csr: csr},
			},
		},
	})
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	response, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	result := response.GetResult()
	if result == nil || result.Svid == nil {
		return nil, errors.New("attest response is missing SVID")
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("the server did not end the stream: %w", err)
	}
	return result, nil
}

// renew asks for the next SVID of the agent; the server holds it for pending until it is shown.
func renew(ctx context.Context, conn *grpc.ClientConn, kept *state) (*identity, error) {
	key, csr, err := newRequest(nil)
	if err != nil {
		return nil, err
	}
	response, err := agentv1.NewAgentClient(conn).RenewAgent(ctx, &agentv1.RenewAgentRequest{
		Params: &agentv1.AgentX509SVIDParams{Csr: csr},
	})
	if err != nil {
		return nil, fmt.Errorf("failed to renew agent: %w", err)
	}
	if response.Svid == nil {
		return nil, errors.New("renew response is missing SVID")
	}
	chain, err := parseAll(response.Svid.CertChain)
	if err != nil {
		return nil, err
	}
	if idOf(chain) != idOf(kept.svid.chain) {
		return nil, fmt.Errorf("renewed into %s", idOf(chain))
	}
	return &identity{chain, key}, nil
}

func ownBundle(ctx context.Context, conn *grpc.ClientConn) (*spiffebundle.Bundle, error) {
	wire, err := bundlev1.NewBundleClient(conn).GetBundle(ctx, &bundlev1.GetBundleRequest{})
	if err != nil {
		return nil, fmt.Errorf("failed to fetch bundle: %w", err)
	}
	return bundleOf(wire)
}

func agentChain(svid *types.X509SVID, bundle *spiffebundle.Bundle) ([]*x509.Certificate, error) {
	id, _, err := x509svid.ParseAndVerify(svid.CertChain, bundle)
	if err != nil {
		return nil, fmt.Errorf("invalid agent SVID: %w", err)
	}
	if told := idString(svid.Id); told != id.String() {
		return nil, fmt.Errorf("the server says %s of the SVID of %s", told, id)
	}
	return parseAll(svid.CertChain)
}

func newRequest(id *spiffeid.ID) (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.CertificateRequest{
		Subject:            pkix.Name{Country: []string{"US"}, Organization: []string{"SPIRE"}},
		SignatureAlgorithm: x509.ECDSAWithSHA256,
	}
	if id != nil {
		template.URIs = []*url.URL{id.URL()}
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	return key, csr, err
}

func idOf(chain []*x509.Certificate) string {
	if len(chain) == 0 || len(chain[0].URIs) != 1 {
		return ""
	}
	return chain[0].URIs[0].String()
}

func idString(id *types.SPIFFEID) string {
	if id == nil {
		return ""
	}
	return "spiffe://" + id.TrustDomain + id.Path
}
