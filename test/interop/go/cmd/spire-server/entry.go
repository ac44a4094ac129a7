package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"sort"
	"time"

	entryv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/entry/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

type entryService struct {
	entryv1.UnimplementedEntryServer
	*server
}

func (s *entryService) BatchCreateEntry(
	_ context.Context, request *entryv1.BatchCreateEntryRequest,
) (*entryv1.BatchCreateEntryResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	response := &entryv1.BatchCreateEntryResponse{}
	for _, given := range request.Entries {
		entry := proto.Clone(given).(*types.Entry)
		if entry.Id == "" {
			entry.Id = rand.Text()
		}
		entry.CreatedAt = time.Now().Unix()
		s.entries[entry.Id] = entry
		response.Results = append(response.Results, &entryv1.BatchCreateEntryResponse_Result{
			Status: &types.Status{}, Entry: entry,
		})
	}
	return response, nil
}

// BatchUpdateEntry changes hints and trust domains only, which is what agents can be seen to notice.
func (s *entryService) BatchUpdateEntry(
	_ context.Context, request *entryv1.BatchUpdateEntryRequest,
) (*entryv1.BatchUpdateEntryResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	response := &entryv1.BatchUpdateEntryResponse{}
	for _, given := range request.Entries {
		entry := s.entries[given.Id]
		if entry == nil {
			return nil, status.Error(codes.NotFound, "entry not found")
		}
		changed := proto.Clone(entry).(*types.Entry)
		changed.Hint, changed.FederatesWith = given.Hint, given.FederatesWith
		changed.RevisionNumber++
		s.entries[given.Id] = changed
		response.Results = append(response.Results, &entryv1.BatchUpdateEntryResponse_Result{
			Status: &types.Status{}, Entry: changed,
		})
	}
	return response, nil
}

func (s *entryService) BatchDeleteEntry(
	_ context.Context, request *entryv1.BatchDeleteEntryRequest,
) (*entryv1.BatchDeleteEntryResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	response := &entryv1.BatchDeleteEntryResponse{}
	for _, id := range request.Ids {
		delete(s.entries, id)
		response.Results = append(response.Results, &entryv1.BatchDeleteEntryResponse_Result{
			Status: &types.Status{}, Id: id,
		})
	}
	return response, nil
}

func (s *entryService) GetAuthorizedEntries(
	ctx context.Context, request *entryv1.GetAuthorizedEntriesRequest,
) (*entryv1.GetAuthorizedEntriesResponse, error) {
	response := &entryv1.GetAuthorizedEntriesResponse{}
	for _, entry := range s.authorized(ctx) {
		response.Entries = append(response.Entries, masked(entry, request.OutputMask))
	}
	return response, nil
}

// SyncAuthorizedEntries sends few entries whole. Of many it sends the revisions, a page at a time, and
// then those that it is asked for.
func (s *entryService) SyncAuthorizedEntries(stream entryv1.Entry_SyncAuthorizedEntriesServer) error {
	if s.c.withoutSync {
		return status.Error(codes.Unimplemented, "method SyncAuthorizedEntries not implemented")
	}
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	if len(first.Ids) > 0 {
		return status.Error(codes.InvalidArgument, "specifying IDs on initial request is not supported")
	}
	if first.OutputMask != nil && !first.OutputMask.RevisionNumber {
		return status.Error(codes.InvalidArgument, "revision number cannot be masked")
	}
	entries := s.authorized(stream.Context())
	if len(entries) <= s.c.pageSize {
		response := &entryv1.SyncAuthorizedEntriesResponse{}
		for _, entry := range entries {
			response.Entries = append(response.Entries, masked(entry, first.OutputMask))
		}
		return stream.Send(response)
	}
	for page := range pages(entries, s.c.pageSize) {
		response := &entryv1.SyncAuthorizedEntriesResponse{More: page.more}
		for _, entry := range page.entries {
			response.EntryRevisions = append(response.EntryRevisions, &entryv1.EntryRevision{
				Id: entry.Id, RevisionNumber: entry.RevisionNumber, CreatedAt: entry.CreatedAt,
			})
		}
		if err := stream.Send(response); err != nil {
			return err
		}
	}
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for page := range pages(named(entries, request.Ids), s.c.pageSize) {
			response := &entryv1.SyncAuthorizedEntriesResponse{More: page.more}
			for _, entry := range page.entries {
				response.Entries = append(response.Entries, masked(entry, first.OutputMask))
			}
			if err := stream.Send(response); err != nil {
				return err
			}
		}
	}
}

type page struct {
	entries []*types.Entry
	more    bool
}

// pages gives at least one page, since nothing is an answer too.
func pages(entries []*types.Entry, size int) func(func(page) bool) {
	return func(yield func(page) bool) {
		for {
			n := min(size, len(entries))
			rest := entries[n:]
			if !yield(page{entries[:n], len(rest) > 0}) || len(rest) == 0 {
				return
			}
			entries = rest
		}
	}
}

func named(entries []*types.Entry, ids []string) []*types.Entry {
	wanted := map[string]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	var found []*types.Entry
	for _, entry := range entries {
		if wanted[entry.Id] {
			found = append(found, entry)
		}
	}
	return found
}

// authorized gives the caller's entries and those below them, by id.
func (s *server) authorized(ctx context.Context) []*types.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	below := map[string][]*types.Entry{}
	for _, entry := range s.entries {
		parent := idText(entry.ParentId)
		below[parent] = append(below[parent], entry)
	}
	var found []*types.Entry
	seen := map[string]bool{}
	var descend func(parent string)
	descend = func(parent string) {
		if seen[parent] {
			return
		}
		seen[parent] = true
		for _, entry := range below[parent] {
			found = append(found, entry)
			descend(idText(entry.SpiffeId))
		}
	}
	descend(callerOf(ctx).id.String())
	sort.Slice(found, func(a, b int) bool { return found[a].Id < found[b].Id })
	return found
}

func idText(id *types.SPIFFEID) string {
	if id == nil {
		return ""
	}
	return "spiffe://" + id.TrustDomain + id.Path
}

func masked(entry *types.Entry, mask *types.EntryMask) *types.Entry {
	if mask == nil {
		return entry
	}
	shown := &types.Entry{Id: entry.Id}
	from, to, fields := entry.ProtoReflect(), shown.ProtoReflect(), entry.ProtoReflect().Descriptor().Fields()
	bits := mask.ProtoReflect()
	for at := range fields.Len() {
		field := fields.Get(at)
		bit := bits.Descriptor().Fields().ByName(field.Name())
		if bit != nil && bits.Get(bit).Bool() && from.Has(field) {
			to.Set(field, from.Get(field))
		}
	}
	return shown
}
