package main

import (
	"context"

	bundlev1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/bundle/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type bundleService struct {
	bundlev1.UnimplementedBundleServer
	*server
}

func (s *bundleService) GetBundle(
	context.Context, *bundlev1.GetBundleRequest,
) (*types.Bundle, error) {
	return s.authorities.bundle()
}

func (s *bundleService) GetFederatedBundle(
	_ context.Context, request *bundlev1.GetFederatedBundleRequest,
) (*types.Bundle, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	bundle := s.federated[request.TrustDomain]
	if bundle == nil {
		return nil, status.Error(codes.NotFound, "bundle not found")
	}
	return bundle, nil
}

func (s *bundleService) BatchSetFederatedBundle(
	_ context.Context, request *bundlev1.BatchSetFederatedBundleRequest,
) (*bundlev1.BatchSetFederatedBundleResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	response := &bundlev1.BatchSetFederatedBundleResponse{}
	for _, bundle := range request.Bundle {
		s.federated[bundle.TrustDomain] = bundle
		response.Results = append(response.Results, &bundlev1.BatchSetFederatedBundleResponse_Result{
			Status: &types.Status{}, Bundle: bundle,
		})
	}
	return response, nil
}
