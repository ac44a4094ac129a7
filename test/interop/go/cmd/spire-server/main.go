// Command spire-server answers a SPIRE agent as SPIRE's server does, with authorities of its own that
// rotate by SPIRE's rules: attestation by join token, entries, SVIDs, bundles, bans. Operators reach it
// on a Unix socket. It keeps all in memory, and prints what happens as one JSON object a line.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	agentv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/agent/v1"
	bundlev1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/bundle/v1"
	entryv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/entry/v1"
	svidv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/svid/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
)

type config struct {
	trustDomain spiffeid.TrustDomain
	address     string
	socket      string
	bundle      string
	caTTL       time.Duration
	x509TTL     time.Duration
	jwtTTL      time.Duration
	agentTTL    time.Duration
	connAge     time.Duration
	pageSize    int
	withoutSync bool
}

func main() {
	var c config
	var trustDomain string
	flag.StringVar(&trustDomain, "trust-domain", "example.org", "name of the trust domain")
	flag.StringVar(&c.address, "address", "127.0.0.1:0", "where agents connect")
	flag.StringVar(&c.socket, "socket", "", "where operators connect")
	flag.StringVar(&c.bundle, "bundle", "", "where the first authority is written to, PEM")
	flag.DurationVar(&c.caTTL, "ca-ttl", 24*time.Hour, "life of an authority")
	flag.DurationVar(&c.x509TTL, "x509-ttl", time.Hour, "life of an X.509-SVID")
	flag.DurationVar(&c.jwtTTL, "jwt-ttl", 5*time.Minute, "life of a JWT-SVID")
	flag.DurationVar(&c.agentTTL, "agent-ttl", time.Hour, "life of an agent's SVID")
	flag.DurationVar(&c.connAge, "max-connection-age", 3*time.Minute, "agents are sent away after it")
	flag.IntVar(&c.pageSize, "page-size", 500, "entries in one message")
	flag.BoolVar(&c.withoutSync, "without-sync", false, "as a server of before SyncAuthorizedEntries")
	flag.Parse()
	var err error
	if c.trustDomain, err = spiffeid.TrustDomainFromString(trustDomain); err != nil {
		fail(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, c); err != nil {
		fail(err)
	}
}

func run(ctx context.Context, c config) error {
	authorities, err := newAuthorities(c)
	if err != nil {
		return err
	}
	if err := authorities.writeBundle(c.bundle); err != nil {
		return err
	}
	s := newServer(c, authorities)
	outside, err := net.Listen("tcp", c.address)
	if err != nil {
		return err
	}
	inside, err := net.Listen("unix", c.socket)
	if err != nil {
		return err
	}
	agents := s.serve(callerOverTLS, grpc.Creds(credentials.NewTLS(s.tls())),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: c.connAge}))
	operators := s.serve(callerIsLocal)
	tell("ready", map[string]any{"address": outside.Addr().String()})
	failed := make(chan error, 3)
	go func() { failed <- agents.Serve(outside) }()
	go func() { failed <- operators.Serve(inside) }()
	go func() { failed <- authorities.rotate(ctx) }()
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	agents.Stop()
	operators.Stop()
	return err
}

func (s *server) serve(who func(context.Context) (caller, error), options ...grpc.ServerOption) *grpc.Server {
	guard := guard{s, who}
	g := grpc.NewServer(append(options,
		grpc.UnaryInterceptor(guard.unary), grpc.StreamInterceptor(guard.stream))...)
	agentv1.RegisterAgentServer(g, &agentService{server: s})
	bundlev1.RegisterBundleServer(g, &bundleService{server: s})
	entryv1.RegisterEntryServer(g, &entryService{server: s})
	svidv1.RegisterSVIDServer(g, &svidService{server: s})
	return g
}

// tls asks for a certificate and demands none; one that is shown has to be good.
func (s *server) tls() *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS12,
		ClientAuth:             tls.RequestClientCert,
		SessionTicketsDisabled: true,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return s.authorities.serverCertificate()
		},
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			if len(raw) == 0 {
				return nil
			}
			return s.authorities.verify(raw)
		},
	}
}

func (a *authorities) writeBundle(path string) error {
	if path == "" {
		return nil
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.active().certificate.Raw})
	return os.WriteFile(path, text, 0o644)
}

var telling sync.Mutex

func tell(event string, about map[string]any) {
	telling.Lock()
	defer telling.Unlock()
	line := map[string]any{"event": event}
	for name, value := range about {
		line[name] = value
	}
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		os.Exit(1)
	}
}

func fail(err error) {
	tell("failed", map[string]any{"error": err.Error()})
	os.Exit(1)
}
