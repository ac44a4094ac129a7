// Verdicts: what go-spiffe makes of an identity, a chain, a token or a bundle that somebody shows.
//
// On stdin one question a line, JSON; on stdout one answer a line, in the same order. An answer holds
// what was accepted, in one spelling, or the error.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
)

type question struct {
	// What to do with Text: trust, id, domain, path, chain, token, bundle or jwks.
	Kind string
	Text string
	// Of a chain: certificates one after the other, DER; the leaf's private key, PKCS#8; the time.
	Chain []byte
	Key   []byte
	Now   time.Time
}

type answer struct {
	Accepted any    `json:"accepted,omitempty"`
	Refused  string `json:"refused,omitempty"`
}

const trustDomain = "example.org"

// The bundle that chains and tokens are checked against; the question "trust" sets it.
var trusted *spiffebundle.Bundle

func main() {
	if err := answerAll(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func answerAll() error {
	in := json.NewDecoder(bufio.NewReaderSize(os.Stdin, 1<<16))
	out := bufio.NewWriter(os.Stdout)
	answers := json.NewEncoder(out)
	for in.More() {
		var asked question
		if err := in.Decode(&asked); err != nil {
			return err
		}
		accepted, err := verdict(asked)
		given := answer{Accepted: accepted}
		if err != nil {
			given = answer{Refused: err.Error()}
		}
		if err := answers.Encode(given); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func verdict(asked question) (any, error) {
	td := spiffeid.RequireTrustDomainFromString(trustDomain)
	switch asked.Kind {
	case "trust":
		bundle, err := spiffebundle.Parse(td, []byte(asked.Text))
		trusted = bundle
		return "trusted", err
	case "id":
		id, err := spiffeid.FromString(asked.Text)
		if err != nil {
			return nil, err
		}
		return id.TrustDomain().String() + " " + id.Path(), nil
	case "domain":
		name, err := spiffeid.TrustDomainFromString(asked.Text)
		if err != nil {
			return nil, err
		}
		return name.String(), nil
	case "path":
		id, err := spiffeid.FromPath(td, asked.Text)
		if err != nil {
			return nil, err
		}
		return id.String(), nil
	case "parse":
		return parseChain(asked)
	case "verify":
		return verifyChain(asked)
	case "token":
		svid, err := jwtsvid.ParseAndValidate(asked.Text, trusted, []string{"me"})
		if err != nil {
			return nil, err
		}
		return []any{svid.ID.String(), svid.Audience, svid.Expiry.Unix()}, nil
	case "bundle":
		return readBundle(td, asked.Text)
	case "jwks":
		return readJwks(td, asked.Text)
	default:
		return nil, fmt.Errorf("nobody knows what %q is", asked.Kind)
	}
}
