package main

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	entryv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/entry/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"google.golang.org/grpc"
)

// What an agent needs to know of an entry; the rest stays with the server.
var entryMask = &types.EntryMask{
	SpiffeId:             true,
	Selectors:            true,
	FederatesWith:        true,
	Admin:                true,
	Downstream:           true,
	RevisionNumber:       true,
	StoreSvid:            true,
	Hint:                 true,
	AdditionalAttributes: true,
	CreatedAt:            true,
}

type entries map[string]*types.Entry

// How the entries came: `get`, or of the synchronising stream `whole` or `revisions`.
type form string

func allEntries(ctx context.Context, conn *grpc.ClientConn, held entries) (form, error) {
	response, err := entryv1.NewEntryClient(conn).GetAuthorizedEntries(
		ctx, &entryv1.GetAuthorizedEntriesRequest{OutputMask: entryMask})
	if err != nil {
		return "", fmt.Errorf("failed to fetch authorized entries: %w", err)
	}
	clear(held)
	return "get", held.take(response.Entries)
}

// syncEntries brings the held entries up to date. A server with few entries sends them all; one with
// many sends revisions, a page at a time, and is then asked for what is missing or stale.
func syncEntries(ctx context.Context, conn *grpc.ClientConn, held entries) (form, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := entryv1.NewEntryClient(conn).SyncAuthorizedEntries(ctx)
	if err != nil {
		return "", err
	}
	if err := stream.Send(&entryv1.SyncAuthorizedEntriesRequest{OutputMask: entryMask}); err != nil {
		return "", err
	}
	first, err := stream.Recv()
	if err != nil {
		return "", fmt.Errorf("failed to fetch authorized entries: %w", err)
	}
	if len(first.EntryRevisions) == 0 {
		clear(held)
		return "whole", held.take(first.Entries)
	}
	needed, err := held.revise(stream, first)
	if err != nil {
		return "", err
	}
	for page := len(first.EntryRevisions); len(needed) > 0; {
		asked := needed[:min(page, len(needed))]
		needed = needed[len(asked):]
		if err := stream.Send(&entryv1.SyncAuthorizedEntriesRequest{Ids: asked}); err != nil {
			return "", err
		}
		for more := true; more; {
			response, err := stream.Recv()
			if err != nil {
				return "", fmt.Errorf("failed to receive entries from server: %w", err)
			}
			if len(response.EntryRevisions) != 0 {
				return "", errors.New("unexpected entry revisions in response while requesting entries")
			}
			if err := held.take(response.Entries); err != nil {
				return "", err
			}
			more = response.More
		}
	}
	return "revisions", nil
}

// revise reads all pages of revisions, drops what is not named in them, and says what to ask for.
func (held entries) revise(
	stream entryv1.Entry_SyncAuthorizedEntriesClient, first *entryv1.SyncAuthorizedEntriesResponse,
) ([]string, error) {
	gone := make(map[string]bool, len(held))
	for id := range held {
		gone[id] = true
	}
	var needed []string
	for response := first; ; {
		if len(response.Entries) > 0 {
			return nil, errors.New("unexpected entry in response receiving entry revisions")
		}
		for _, revision := range response.EntryRevisions {
			if revision.Id == "" || revision.RevisionNumber < 0 {
				return nil, fmt.Errorf("malformed entry revision %v", revision)
			}
			delete(gone, revision.Id)
			entry := held[revision.Id]
			if entry == nil || entry.RevisionNumber != revision.RevisionNumber || entry.CreatedAt != revision.CreatedAt {
				needed = append(needed, revision.Id)
			}
		}
		if !response.More {
			break
		}
		var err error
		if response, err = stream.Recv(); err != nil {
			return nil, fmt.Errorf("failed to receive entry revision page from server: %w", err)
		}
	}
	for id := range gone {
		delete(held, id)
	}
	sort.Strings(needed)
	return needed, nil
}

func (held entries) take(received []*types.Entry) error {
	for _, entry := range received {
		if err := check(entry); err != nil {
			return fmt.Errorf("malformed entry %q: %w", entry.Id, err)
		}
		held[entry.Id] = entry
	}
	return nil
}

// check asks of an entry what an agent asks of it. There an entry that fails is left out; here it ends
// the run, since a server that is tried must not send one.
func check(entry *types.Entry) error {
	switch {
	case entry.Id == "":
		return errors.New("missing entry ID")
	case len(entry.Selectors) == 0:
		return errors.New("selector list is empty")
	}
	if _, err := spiffeid.FromString(idString(entry.SpiffeId)); err != nil {
		return err
	}
	for _, selector := range entry.Selectors {
		if selector.Type == "" || selector.Value == "" {
			return errors.New("missing selector type or value")
		}
	}
	for _, name := range entry.FederatesWith {
		if _, err := spiffeid.TrustDomainFromString(name); err != nil {
			return err
		}
	}
	return nil
}

// federated names the trust domains that the entries' workloads need the bundles of.
func (held entries) federated() []string {
	names := map[string]bool{}
	for _, entry := range held {
		for _, name := range entry.FederatesWith {
			names[name] = true
		}
	}
	sorted := make([]string, 0, len(names))
	for name := range names {
		sorted = append(sorted, name)
	}
	sort.Strings(sorted)
	return sorted
}
