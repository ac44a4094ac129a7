package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// server is the agent's one connection. It is closed whenever the agent's SVID changes, and after a
// call that failed, so that the next call shows the SVID of that moment.
type server struct {
	c    config
	kept *state
	conn *grpc.ClientConn
}

func (s *server) connection() (*grpc.ClientConn, error) {
	if s.conn != nil {
		return s.conn, nil
	}
	conn, err := dial(s.c, s.kept)
	s.conn = conn
	return conn, err
}

func (s *server) close() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// dial shows the agent's SVID where there is one. Nothing is sent before the first call.
func dial(c config, kept *state) (*grpc.ClientConn, error) {
	config, err := tlsConfig(c, kept)
	if err != nil {
		return nil, err
	}
	return grpc.NewClient("dns:///"+c.server,
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`),
		grpc.WithDisableServiceConfig(),
		grpc.WithTransportCredentials(credentials.NewTLS(config)),
	)
}

func tlsConfig(c config, kept *state) (*tls.Config, error) {
	serverID, err := spiffeid.FromPath(c.trustDomain, "/spire/server")
	if err != nil {
		return nil, err
	}
	if len(kept.roots) == 0 {
		return &tls.Config{
			InsecureSkipVerify: true,
			VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
				return checkName(raw, serverID)
			},
		}, nil
	}
	authorizer := tlsconfig.AuthorizeID(serverID)
	if kept.svid == nil {
		return tlsconfig.TLSClientConfig(roots{c, kept}, authorizer), nil
	}
	return tlsconfig.MTLSClientConfig(svidSource{kept}, roots{c, kept}, authorizer), nil
}

// checkName is all that an agent without a bundle can do: the server has to have the server's name.
func checkName(raw [][]byte, serverID spiffeid.ID) error {
	if len(raw) == 0 {
		return errors.New("server chain is unexpectedly empty")
	}
	certificate, err := x509.ParseCertificate(raw[0])
	if err != nil {
		return err
	}
	if len(certificate.URIs) != 1 || certificate.URIs[0].String() != serverID.String() {
		return fmt.Errorf("expected server SPIFFE ID %q; got %q", serverID, certificate.URIs)
	}
	return nil
}

// roots is the bundle of the moment, asked for in each handshake.
type roots struct {
	c    config
	kept *state
}

func (r roots) GetX509BundleForTrustDomain(td spiffeid.TrustDomain) (*x509bundle.Bundle, error) {
	return x509bundle.FromX509Authorities(r.c.trustDomain, r.kept.roots).GetX509BundleForTrustDomain(td)
}

type svidSource struct{ kept *state }

func (s svidSource) GetX509SVID() (*x509svid.SVID, error) {
	id, err := x509svid.IDFromCert(s.kept.svid.chain[0])
	if err != nil {
		return nil, err
	}
	return &x509svid.SVID{ID: id, Certificates: s.kept.svid.chain, PrivateKey: s.kept.svid.key}, nil
}

// deniedReason is the agent's state as the server names it in the error's details; "" where it names none.
func deniedReason(err error) string {
	var failed interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &failed) || failed.GRPCStatus().Code() != codes.PermissionDenied {
		return ""
	}
	for _, detail := range failed.GRPCStatus().Details() {
		if denied, ok := detail.(*types.PermissionDeniedDetails); ok {
			return denied.Reason.String()
		}
	}
	return ""
}

func shouldReattest(err error) bool {
	switch deniedReason(err) {
	case "AGENT_EXPIRED", "AGENT_NOT_ACTIVE", "AGENT_NOT_ATTESTED":
		return true
	}
	return false
}

func shouldShutDown(err error) bool { return deniedReason(err) == "AGENT_BANNED" }
