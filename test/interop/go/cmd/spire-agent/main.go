// Command spire-agent says on the wire what SPIRE's agent says to its server, over the agent's whole
// life: bootstrap, attestation by join token, synchronisation, SVIDs, renewal, ban. What it sees it
// prints as one JSON object a line. It serves no workloads.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

type config struct {
	server       string
	trustDomain  spiffeid.TrustDomain
	trustBundle  string
	dataDir      string
	joinToken    string
	audience     string
	version      string
	syncInterval time.Duration
	useSync      bool
}

// How an agent ends, for whoever has started it.
const (
	exitFailed   = 1
	exitReattest = 3
	exitShutDown = 4
)

const (
	rpcTimeout = 30 * time.Second
	// SPIRE's agent looks every 5 s; SVIDs of seconds need it more often.
	rotateTick = 500 * time.Millisecond
)

func main() {
	var c config
	var trustDomain string
	flag.StringVar(&c.server, "server", "", "host:port of the server")
	flag.StringVar(&trustDomain, "trust-domain", "", "name of the trust domain")
	flag.StringVar(&c.trustBundle, "trust-bundle", "", "PEM file; without one the server is only asked for its name")
	flag.StringVar(&c.dataDir, "data-dir", "", "where the agent's SVID and bundle are kept")
	flag.StringVar(&c.joinToken, "join-token", "", "proves this node once")
	flag.StringVar(&c.audience, "audience", "interop", "of the JWT-SVID that is fetched for each entry")
	flag.StringVar(&c.version, "version", "1.15.3", "told to the server")
	flag.DurationVar(&c.syncInterval, "sync-interval", 5*time.Second, "how often the server is asked")
	flag.BoolVar(&c.useSync, "use-sync-authorized-entries", true, "false asks for all entries each time")
	flag.Parse()
	var err error
	if c.trustDomain, err = spiffeid.TrustDomainFromString(trustDomain); err != nil {
		fail(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, c); err != nil && ctx.Err() == nil {
		fail(err)
	}
	tell("stopped", nil)
}

func run(ctx context.Context, c config) error {
	kept, err := load(c)
	if err != nil {
		return err
	}
	if kept.svid == nil {
		if err := attest(ctx, c, kept); err != nil {
			return fmt.Errorf("failed to attest: %w", err)
		}
		if err := kept.save(c); err != nil {
			return err
		}
	}
	agent := newAgent(c, kept)
	defer agent.server.close()
	err = agent.live(ctx)
	switch {
	case shouldReattest(err):
		return errors.Join(err, kept.forget(c))
	case shouldShutDown(err):
		return errors.Join(err, kept.forget(c))
	}
	return err
}

func fail(err error) {
	tell("failed", map[string]any{"error": err.Error(), "reason": deniedReason(err)})
	switch {
	case shouldReattest(err):
		os.Exit(exitReattest)
	case shouldShutDown(err):
		os.Exit(exitShutDown)
	}
	os.Exit(exitFailed)
}

func tell(event string, about map[string]any) {
	line := map[string]any{"event": event}
	for name, value := range about {
		line[name] = value
	}
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		os.Exit(exitFailed)
	}
}
