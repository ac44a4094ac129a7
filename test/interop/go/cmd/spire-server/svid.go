package main

import (
	"context"

	svidv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/svid/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type svidService struct {
	svidv1.UnimplementedSVIDServer
	*server
}

func (s *svidService) BatchNewX509SVID(
	ctx context.Context, request *svidv1.BatchNewX509SVIDRequest,
) (*svidv1.BatchNewX509SVIDResponse, error) {
	if len(request.Params) == 0 {
		return nil, status.Error(codes.InvalidArgument, "missing parameters")
	}
	entries := s.authorizedByID(ctx)
	response := &svidv1.BatchNewX509SVIDResponse{}
	for _, params := range request.Params {
		svid, err := s.newX509SVID(entries[params.EntryId], params.Csr)
		failed := status.Convert(err)
		response.Results = append(response.Results, &svidv1.BatchNewX509SVIDResponse_Result{
			Status: &types.Status{Code: int32(failed.Code()), Message: failed.Message()}, Svid: svid,
		})
	}
	return response, nil
}

// newX509SVID takes nothing but the key from the request; the ID is the entry's.
func (s *svidService) newX509SVID(entry *types.Entry, der []byte) (*types.X509SVID, error) {
	if entry == nil {
		return nil, status.Error(codes.NotFound, "entry not found or not authorized")
	}
	csr, err := checkedCSR(der)
	if err != nil {
		return nil, err
	}
	id, err := idOf(entry.SpiffeId)
	if err != nil {
		return nil, err
	}
	leaf, err := s.authorities.signX509(id, csr.PublicKey, s.c.x509TTL, entry.DnsNames)
	if err != nil {
		return nil, status.Errorf(codes.Internal, "failed to sign X509-SVID: %v", err)
	}
	return wireX509SVID(id, leaf), nil
}

func (s *svidService) NewJWTSVID(
	ctx context.Context, request *svidv1.NewJWTSVIDRequest,
) (*svidv1.NewJWTSVIDResponse, error) {
	if len(request.Audience) == 0 {
		return nil, status.Error(codes.InvalidArgument, "at least one audience is required")
	}
	entry := s.authorizedByID(ctx)[request.EntryId]
	if entry == nil {
		return nil, status.Error(codes.NotFound, "entry not found or not authorized")
	}
	id, err := idOf(entry.SpiffeId)
	if err != nil {
		return nil, err
	}
	svid, err := s.authorities.signJWT(id, request.Audience)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &svidv1.NewJWTSVIDResponse{Svid: svid}, nil
}

func (s *server) authorizedByID(ctx context.Context) map[string]*types.Entry {
	byID := map[string]*types.Entry{}
	for _, entry := range s.authorized(ctx) {
		byID[entry.Id] = entry
	}
	return byID
}
