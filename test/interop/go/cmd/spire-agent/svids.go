package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	svidv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/svid/v1"
	"google.golang.org/grpc/codes"
)

// shouldRotate is true from half of the lifetime on, give or take a tenth of it.
func shouldRotate(certificate *x509.Certificate) bool {
	lifetime := certificate.NotAfter.Sub(certificate.NotBefore)
	left := time.Until(certificate.NotAfter)
	return left <= lifetime/2-lifetime/20+rand.N(lifetime/10)
}

const (
	maxCSRsAtOnce  = 500
	jwtSVIDsAtOnce = 5
)

// syncSVIDs gets an X.509-SVID for each entry that has none, or one that is due, and a
// JWT-SVID beside it.
func (a *agent) syncSVIDs(ctx context.Context) error {
	for id := range a.svids {
		if a.entries[id] == nil {
			delete(a.svids, id)
			tell("withdrawn", map[string]any{"entry": id})
		}
	}
	var due []string
	for id := range a.entries {
		svid := a.svids[id]
		if svid == nil || shouldRotate(svid.leaf) || svid.revision != a.entries[id].RevisionNumber {
			due = append(due, id)
		}
		if len(due) == maxCSRsAtOnce {
			break
		}
	}
	if len(due) == 0 {
		return nil
	}
	if err := a.newX509SVIDs(ctx, due); err != nil {
		return err
	}
	// A workload asks for its token when it needs one; a few stand for that.
	for _, id := range due[:min(len(due), jwtSVIDsAtOnce)] {
		if err := a.newJWTSVID(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (a *agent) newX509SVIDs(ctx context.Context, due []string) error {
	conn, err := a.server.connection()
	if err != nil {
		return err
	}
	keys := make([]*ecdsa.PrivateKey, len(due))
	params := make([]*svidv1.NewX509SVIDParams, len(due))
	for at, entryID := range due {
		id, err := spiffeid.FromString(idString(a.entries[entryID].SpiffeId))
		if err != nil {
			return err
		}
		key, csr, err := newRequest(&id)
		if err != nil {
			return err
		}
		keys[at] = key
		params[at] = &svidv1.NewX509SVIDParams{EntryId: entryID, Csr: csr}
	}
	response, err := svidv1.NewSVIDClient(conn).BatchNewX509SVID(
		ctx, &svidv1.BatchNewX509SVIDRequest{Params: params})
	if err != nil {
		return fmt.Errorf("failed to batch new X509 SVID(s): %w", err)
	}
	if len(response.Results) != len(due) {
		return fmt.Errorf("%d results for %d requests", len(response.Results), len(due))
	}
	for at, result := range response.Results {
		if result.Status.Code != int32(codes.OK) {
			tell("svid-refused", map[string]any{
				"entry": due[at], "code": result.Status.Code, "message": result.Status.Message,
			})
			continue
		}
		if err := a.takeX509SVID(due[at], keys[at], result); err != nil {
			return err
		}
	}
	return nil
}

func (a *agent) takeX509SVID(
	entryID string, key *ecdsa.PrivateKey, result *svidv1.BatchNewX509SVIDResponse_Result,
) error {
	if result.Svid == nil {
		return errors.New("response missing SVID")
	}
	id, _, err := x509svid.ParseAndVerify(result.Svid.CertChain, a.bundles)
	if err != nil {
		return err
	}
	chain, err := parseAll(result.Svid.CertChain)
	if err != nil {
		return err
	}
	leaf := chain[0]
	if want := idString(a.entries[entryID].SpiffeId); id.String() != want {
		return fmt.Errorf("the SVID of %s is for %s", want, id)
	}
	if !key.PublicKey.Equal(leaf.PublicKey) {
		return errors.New("the SVID is for another key")
	}
	if result.Svid.ExpiresAt != leaf.NotAfter.Unix() || idString(result.Svid.Id) != id.String() {
		return errors.New("what the server says of the SVID is not what is in it")
	}
	a.svids[entryID] = &workloadSVID{leaf, a.entries[entryID].RevisionNumber}
	tell("x509-svid", map[string]any{
		"entry":     entryID,
		"id":        id.String(),
		"serial":    leaf.SerialNumber.String(),
		"authority": fmt.Sprintf("%x", leaf.AuthorityKeyId),
		"hint":      result.Svid.Hint,
	})
	return nil
}

func (a *agent) newJWTSVID(ctx context.Context, entryID string) error {
	conn, err := a.server.connection()
	if err != nil {
		return err
	}
	response, err := svidv1.NewSVIDClient(conn).NewJWTSVID(ctx, &svidv1.NewJWTSVIDRequest{
		EntryId: entryID, Audience: []string{a.c.audience},
	})
	if err != nil {
		return fmt.Errorf("failed to fetch JWT SVID: %w", err)
	}
	svid := response.Svid
	switch {
	case svid == nil:
		return errors.New("JWTSVID response missing SVID")
	case svid.IssuedAt == 0:
		return errors.New("JWTSVID missing issued at")
	case svid.ExpiresAt == 0:
		return errors.New("JWTSVID missing expires at")
	case svid.IssuedAt > svid.ExpiresAt:
		return errors.New("JWTSVID issued after it has expired")
	}
	parsed, err := jwtsvid.ParseAndValidate(svid.Token, a.bundles, []string{a.c.audience})
	if err != nil {
		return err
	}
	if parsed.ID.String() != idString(svid.Id) || parsed.Expiry.Unix() != svid.ExpiresAt {
		return errors.New("what the server says of the token is not what is in it")
	}
	tell("jwt-svid", map[string]any{"entry": entryID, "id": parsed.ID.String(), "audience": parsed.Audience})
	return nil
}
