package main

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	agentv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/agent/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

type agentService struct {
	agentv1.UnimplementedAgentServer
	*server
}

func (s *agentService) CreateJoinToken(
	_ context.Context, request *agentv1.CreateJoinTokenRequest,
) (*types.JoinToken, error) {
	if request.Ttl < 1 {
		return nil, status.Error(codes.InvalidArgument, "ttl is required, you must provide one")
	}
	value := make([]byte, 16)
	if _, err := rand.Read(value); err != nil {
		return nil, err
	}
	token := &types.JoinToken{
		Value:     hex.EncodeToString(value),
		ExpiresAt: time.Now().Add(time.Duration(request.Ttl) * time.Second).Unix(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token.Value] = time.Unix(token.ExpiresAt, 0)
	return token, nil
}

func (s *agentService) AttestAgent(stream agentv1.Agent_AttestAgentServer) error {
	request, err := stream.Recv()
	if err != nil {
		return err
	}
	params := request.GetParams()
	switch {
	case params == nil || params.Data == nil || params.Params == nil:
		return status.Error(codes.InvalidArgument, "malformed param: missing params")
	case params.Data.Type != "join_token":
		return status.Errorf(codes.FailedPrecondition, "error getting node attestor: could not find node attestor type %q", params.Data.Type)
	}
	token := string(params.Data.Payload)
	if err := s.useToken(token); err != nil {
		return err
	}
	id, err := spiffeid.FromPathf(s.c.trustDomain, "/spire/agent/join_token/%s", token)
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	svid, serial, err := s.signAgent(id, params.Params.Csr)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.nodes[id.String()] = &attestedNode{serial: serial}
	s.mu.Unlock()
	tell("attested", map[string]any{"id": id.String()})
	return stream.Send(&agentv1.AttestAgentResponse{
		Step: &agentv1.AttestAgentResponse_Result_{
			Result: &agentv1.AttestAgentResponse_Result{Svid: svid},
		},
	})
}

func (s *agentService) useToken(token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ends, known := s.tokens[token]
	delete(s.tokens, token)
	switch {
	case !known:
		return status.Error(codes.InvalidArgument, "failed to attest: join token does not exist or has already been used")
	case time.Now().After(ends):
		return status.Error(codes.InvalidArgument, "join token expired")
	}
	return nil
}

func (s *agentService) RenewAgent(
	ctx context.Context, request *agentv1.RenewAgentRequest,
) (*agentv1.RenewAgentResponse, error) {
	if request.Params == nil || len(request.Params.Csr) == 0 {
		return nil, status.Error(codes.InvalidArgument, "missing CSR")
	}
	id := callerOf(ctx).id
	svid, serial, err := s.signAgent(id, request.Params.Csr)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	node := s.nodes[id.String()]
	if node == nil {
		return nil, status.Error(codes.NotFound, "agent not found")
	}
	node.newSerial = serial
	tell("renewed", map[string]any{"id": id.String()})
	return &agentv1.RenewAgentResponse{Svid: svid}, nil
}

func (s *agentService) signAgent(id spiffeid.ID, der []byte) (*types.X509SVID, string, error) {
	csr, err := checkedCSR(der)
	if err != nil {
		return nil, "", err
	}
	leaf, err := s.authorities.signX509(id, csr.PublicKey, s.c.agentTTL, nil)
	if err != nil {
		return nil, "", status.Errorf(codes.Internal, "failed to sign X509 SVID: %v", err)
	}
	return wireX509SVID(id, leaf), leaf.SerialNumber.String(), nil
}

func checkedCSR(der []byte) (*x509.CertificateRequest, error) {
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "malformed CSR: %v", err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "invalid CSR signature: %v", err)
	}
	return csr, nil
}

func (s *agentService) PostStatus(
	ctx context.Context, request *agentv1.PostStatusRequest,
) (*agentv1.PostStatusResponse, error) {
	tell("status", map[string]any{"id": callerOf(ctx).id.String(), "version": request.AgentVersion})
	return &agentv1.PostStatusResponse{}, nil
}

func (s *agentService) BanAgent(
	_ context.Context, request *agentv1.BanAgentRequest,
) (*emptypb.Empty, error) {
	return s.change(request.Id, func(id string, node *attestedNode) {
		node.banned, node.serial, node.newSerial = true, "", ""
	})
}

func (s *agentService) DeleteAgent(
	_ context.Context, request *agentv1.DeleteAgentRequest,
) (*emptypb.Empty, error) {
	return s.change(request.Id, func(id string, _ *attestedNode) { delete(s.nodes, id) })
}

func (s *agentService) change(
	wire *types.SPIFFEID, act func(id string, node *attestedNode),
) (*emptypb.Empty, error) {
	id, err := idOf(wire)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	node := s.nodes[id.String()]
	if node == nil {
		return nil, status.Error(codes.NotFound, "agent not found")
	}
	act(id.String(), node)
	return &emptypb.Empty{}, nil
}
