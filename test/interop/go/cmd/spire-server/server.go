package main

import (
	"context"
	"crypto/x509"
	"errors"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// attestedNode is what is kept of an agent. A banned one has no serial.
type attestedNode struct {
	serial    string
	newSerial string
	banned    bool
}

type server struct {
	c           config
	authorities *authorities
	mu          sync.Mutex
	tokens      map[string]time.Time
	nodes       map[string]*attestedNode
	entries     map[string]*types.Entry
	federated   map[string]*types.Bundle
}

func newServer(c config, authorities *authorities) *server {
	return &server{
		c: c, authorities: authorities,
		tokens: map[string]time.Time{}, nodes: map[string]*attestedNode{},
		entries: map[string]*types.Entry{}, federated: map[string]*types.Bundle{},
	}
}

// caller is who makes a call: an operator, whoever showed a certificate, or nobody.
type caller struct {
	local bool
	leaf  *x509.Certificate
	id    spiffeid.ID
}

type callerKey struct{}

func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

func callerIsLocal(context.Context) (caller, error) { return caller{local: true}, nil }

func callerOverTLS(ctx context.Context) (caller, error) {
	from, ok := peer.FromContext(ctx)
	if !ok {
		return caller{}, errors.New("no peer information available")
	}
	info, ok := from.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.PeerCertificates) == 0 {
		return caller{}, nil
	}
	leaf := info.State.PeerCertificates[0]
	id, err := x509svid.IDFromCert(leaf)
	return caller{leaf: leaf, id: id}, err
}

// Who may make a call; what is not named is for operators.
var (
	openToAll = map[string]bool{
		"/spire.api.server.agent.v1.Agent/AttestAgent": true,
		"/spire.api.server.bundle.v1.Bundle/GetBundle": true,
	}
	forAgents = map[string]bool{
		"/spire.api.server.agent.v1.Agent/RenewAgent":            true,
		"/spire.api.server.agent.v1.Agent/PostStatus":            true,
		"/spire.api.server.entry.v1.Entry/GetAuthorizedEntries":  true,
		"/spire.api.server.entry.v1.Entry/SyncAuthorizedEntries": true,
		"/spire.api.server.svid.v1.SVID/BatchNewX509SVID":        true,
		"/spire.api.server.svid.v1.SVID/NewJWTSVID":              true,
		"/spire.api.server.bundle.v1.Bundle/GetFederatedBundle":  true,
	}
)

type guard struct {
	server *server
	who    func(context.Context) (caller, error)
}

func (g guard) admit(ctx context.Context, method string) (context.Context, error) {
	from, err := g.who(ctx)
	if err != nil {
		return nil, status.Error(codes.Unauthenticated, err.Error())
	}
	ctx = context.WithValue(ctx, callerKey{}, from)
	switch {
	case openToAll[method], from.local:
		return ctx, nil
	case !forAgents[method] || from.leaf == nil:
		return nil, status.Errorf(codes.PermissionDenied, "authorization denied for method %s", method)
	}
	return ctx, g.server.checkAgent(from)
}

func (g guard) unary(
	ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler,
) (any, error) {
	ctx, err := g.admit(ctx, info.FullMethod)
	var response any
	if err == nil {
		response, err = handler(ctx, request)
	}
	tell("call", map[string]any{"method": info.FullMethod, "code": status.Code(err).String()})
	return response, err
}

func (g guard) stream(
	service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler,
) error {
	ctx, err := g.admit(stream.Context(), info.FullMethod)
	if err == nil {
		err = handler(service, admitted{stream, ctx})
	}
	tell("call", map[string]any{"method": info.FullMethod, "code": status.Code(err).String()})
	return err
}

type admitted struct {
	grpc.ServerStream
	ctx context.Context
}

func (a admitted) Context() context.Context { return a.ctx }

// checkAgent lets an agent in whose SVID is the one that counts, or the renewed one, which counts from
// then on.
func (s *server) checkAgent(from caller) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().After(from.leaf.NotAfter) {
		return denied(types.PermissionDeniedDetails_AGENT_EXPIRED, "agent %q SVID has expired", from.id)
	}
	node := s.nodes[from.id.String()]
	serial := from.leaf.SerialNumber.String()
	switch {
	case node == nil:
		return denied(types.PermissionDeniedDetails_AGENT_NOT_ATTESTED, "agent %q is not attested", from.id)
	case node.banned:
		return denied(types.PermissionDeniedDetails_AGENT_BANNED, "agent %q is banned", from.id)
	case node.serial == serial:
		return nil
	case node.newSerial == serial:
		node.serial, node.newSerial = serial, ""
		return nil
	}
	return denied(types.PermissionDeniedDetails_AGENT_NOT_ACTIVE, "agent %q SVID is not active", from.id)
}

func denied(reason types.PermissionDeniedDetails_Reason, format string, id spiffeid.ID) error {
	failed, err := status.Newf(codes.PermissionDenied, format, id).
		WithDetails(&types.PermissionDeniedDetails{Reason: reason})
	if err != nil {
		return err
	}
	return failed.Err()
}

func wireID(id spiffeid.ID) *types.SPIFFEID {
	return &types.SPIFFEID{TrustDomain: id.TrustDomain().Name(), Path: id.Path()}
}

func idOf(wire *types.SPIFFEID) (spiffeid.ID, error) {
	if wire == nil {
		return spiffeid.ID{}, status.Error(codes.InvalidArgument, "request must specify SPIFFE ID")
	}
	td, err := spiffeid.TrustDomainFromString(wire.TrustDomain)
	if err != nil {
		return spiffeid.ID{}, status.Error(codes.InvalidArgument, err.Error())
	}
	return spiffeid.FromPath(td, wire.Path)
}
