// Command probe speaks the contract of test/interop/probe.ts with go-spiffe.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

type line map[string]any

func say(l line) {
	if err := json.NewEncoder(os.Stdout).Encode(l); err != nil {
		os.Exit(1)
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	verbs := map[string]func(context.Context, []string) error{
		"fetch": fetch, "validate": validate, "watch": watch, "serve": serve, "dial": dial,
	}
	if len(os.Args) < 2 || verbs[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: probe fetch|validate|watch|serve|dial")
		os.Exit(64)
	}
	if err := verbs[os.Args[1]](ctx, os.Args[2:]); err != nil {
		say(line{"error": err.Error()})
		os.Exit(1)
	}
}

// fetch AUDIENCE: everything that the Workload API gives, and the same from the source objects.
func fetch(ctx context.Context, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	client, err := workloadapi.New(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	x509, err := client.FetchX509Context(ctx)
	if err != nil {
		return err
	}
	token, err := client.FetchJWTSVID(ctx, jwtsvid.Params{Audience: args[0]})
	if err != nil {
		return err
	}
	jwtBundles, err := client.FetchJWTBundles(ctx)
	if err != nil {
		return err
	}
	roots, keys := line{}, line{}
	for _, bundle := range x509.Bundles.Bundles() {
		roots[bundle.TrustDomain().Name()] = len(bundle.X509Authorities())
	}
	for _, bundle := range jwtBundles.Bundles() {
		keys[bundle.TrustDomain().Name()] = len(bundle.JWTAuthorities())
	}
	sourced, err := fromSources(ctx, args[0])
	if err != nil {
		return err
	}
	svid := x509.DefaultSVID()
	say(line{
		"id": svid.ID.String(), "serial": serialOf(svid), "roots": roots, "keys": keys,
		"jwtId": token.ID.String(), "token": token.Marshal(), "sourced": sourced,
	})
	return nil
}

// fromSources verifies by the source objects what they themselves gave.
func fromSources(ctx context.Context, audience string) (line, error) {
	x509Source, err := workloadapi.NewX509Source(ctx)
	if err != nil {
		return nil, err
	}
	defer x509Source.Close()
	svid, err := x509Source.GetX509SVID()
	if err != nil {
		return nil, err
	}
	id, _, err := x509svid.Verify(svid.Certificates, x509bundle.Source(x509Source))
	if err != nil {
		return nil, err
	}
	jwtSource, err := workloadapi.NewJWTSource(ctx)
	if err != nil {
		return nil, err
	}
	defer jwtSource.Close()
	token, err := jwtSource.FetchJWTSVID(ctx, jwtsvid.Params{Audience: audience})
	if err != nil {
		return nil, err
	}
	parsed, err := jwtsvid.ParseAndValidate(token.Marshal(), jwtbundle.Source(jwtSource), []string{audience})
	if err != nil {
		return nil, err
	}
	return line{"id": id.String(), "jwtId": parsed.ID.String()}, nil
}

// validate AUDIENCE, a token a line of standard input: each by the agent, and by this library itself.
func validate(ctx context.Context, args []string) error {
	client, err := workloadapi.New(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	source, err := workloadapi.NewJWTSource(ctx, workloadapi.WithClient(client))
	if err != nil {
		return err
	}
	defer source.Close()
	for lines := stdinLines(); lines.Scan(); {
		answer := line{}
		byAgent, err := client.ValidateJWTSVID(ctx, lines.Text(), args[0])
		if err != nil {
			answer["agentRefused"] = err.Error()
		} else {
			answer["byAgent"] = byAgent.ID.String()
		}
		byLibrary, err := jwtsvid.ParseAndValidate(lines.Text(), source, []string{args[0]})
		if err != nil {
			answer["libraryRefused"] = err.Error()
		} else {
			answer["byLibrary"] = byLibrary.ID.String()
		}
		say(answer)
	}
	return nil
}

type watcher struct {
	updates chan line
}

func (w watcher) OnX509ContextUpdate(update *workloadapi.X509Context) {
	svid := update.DefaultSVID()
	roots := 0
	for _, bundle := range update.Bundles.Bundles() {
		roots += len(bundle.X509Authorities())
	}
	w.updates <- line{"id": svid.ID.String(), "serial": serialOf(svid), "roots": roots}
}

func (w watcher) OnX509ContextWatchError(err error) {
	w.updates <- line{"error": err.Error()}
}

// watch COUNT: a line for each update, until that many came.
func watch(ctx context.Context, args []string) error {
	count, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	updates := make(chan line)
	go func() { _ = workloadapi.WatchX509Context(ctx, watcher{updates}) }()
	for range count {
		select {
		case update := <-updates:
			say(update)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func serialOf(svid *x509svid.SVID) string {
	return fmt.Sprintf("%x", svid.Certificates[0].SerialNumber)
}

func stdinLines() *bufio.Scanner {
	return bufio.NewScanner(os.Stdin)
}
