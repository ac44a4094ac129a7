package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	agentv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/agent/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type workloadSVID struct {
	leaf     *x509.Certificate
	revision int64
}

// agent is an attested agent: what it holds of its server.
type agent struct {
	c       config
	kept    *state
	server  *server
	entries entries
	bundles *spiffebundle.Set
	svids   map[string]*workloadSVID
	// What was told last, so that only what is new is told.
	told string
}

func newAgent(c config, kept *state) *agent {
	return &agent{
		c: c, kept: kept,
		server:  &server{c: c, kept: kept},
		entries: entries{}, svids: map[string]*workloadSVID{},
	}
}

// live goes on until the server says what only a new attestation helps against, or the first contact
// fails. Any other failure is tried again.
func (a *agent) live(ctx context.Context) error {
	if err := a.synchronize(ctx); err != nil {
		return err
	}
	if err := a.postStatus(ctx); err != nil {
		return err
	}
	tell("ready", nil)
	syncs, rotations := time.NewTicker(a.c.syncInterval), time.NewTicker(rotateTick)
	defer syncs.Stop()
	defer rotations.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-syncs.C:
			err = a.synchronize(ctx)
		case <-rotations.C:
			err = a.rotate(ctx)
		}
		if shouldReattest(err) || shouldShutDown(err) {
			return err
		}
		if err != nil && ctx.Err() == nil {
			a.server.close()
			tell("retrying", map[string]any{"error": err.Error(), "code": status.Code(err).String()})
		}
	}
}

func (a *agent) synchronize(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, rpcTimeout)
	defer cancel()
	conn, err := a.server.connection()
	if err != nil {
		return err
	}
	get := syncEntries
	if !a.c.useSync {
		get = allEntries
	}
	how, err := get(ctx, conn, a.entries)
	if err != nil {
		return err
	}
	bundles, err := fetchBundles(ctx, conn, a.entries.federated())
	if err != nil {
		return err
	}
	a.bundles = bundles
	own, _ := bundles.Get(a.c.trustDomain)
	if a.kept.roots = own.X509Authorities(); len(a.kept.roots) == 0 {
		return status.Error(codes.Internal, "the server's bundle is empty")
	}
	if err := a.kept.save(a.c); err != nil {
		return err
	}
	a.tellSynced(how, own)
	return a.syncSVIDs(ctx)
}

func (a *agent) tellSynced(how form, own *spiffebundle.Bundle) {
	held := map[string]string{}
	for id, entry := range a.entries {
		held[id] = idString(entry.SpiffeId)
	}
	sequence, _ := own.SequenceNumber()
	about := map[string]any{
		"form": how, "entries": held, "sequence": sequence,
		"x509_authorities": len(own.X509Authorities()), "jwt_authorities": len(own.JWTAuthorities()),
		"trust_domains": a.bundles.Len(),
	}
	if text := fmt.Sprint(about); text != a.told {
		a.told = text
		tell("synced", about)
	}
}

// rotate renews the agent's own SVID. From then on the new one is shown, which makes it count.
func (a *agent) rotate(ctx context.Context) error {
	if !shouldRotate(a.kept.svid.chain[0]) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, rpcTimeout)
	defer cancel()
	conn, err := a.server.connection()
	if err != nil {
		return err
	}
	next, err := renew(ctx, conn, a.kept)
	if err != nil {
		return err
	}
	a.kept.svid = next
	if err := a.kept.save(a.c); err != nil {
		return err
	}
	a.server.close()
	tell("renewed", map[string]any{
		"serial":    next.chain[0].SerialNumber.String(),
		"authority": fmt.Sprintf("%x", next.chain[0].AuthorityKeyId),
	})
	return nil
}

func (a *agent) postStatus(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, rpcTimeout)
	defer cancel()
	conn, err := a.server.connection()
	if err != nil {
		return err
	}
	_, err = agentv1.NewAgentClient(conn).PostStatus(ctx, &agentv1.PostStatusRequest{AgentVersion: a.c.version})
	if err != nil {
		return fmt.Errorf("failed to post agent status: %w", err)
	}
	return nil
}
