package main

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

type content struct {
	// Digests of the certificates, and of kid and key, each sorted and once.
	X509     []string `json:"x509"`
	Jwt      []string `json:"jwt"`
	Sequence uint64   `json:"sequence,string"`
	// Seconds; 0 where there is none.
	Hint int64 `json:"hint"`
	// One by one: the document as a whole was refused, and this is what its parts give, each read alone.
	OneByOne bool `json:"oneByOne"`
}

func readBundle(td spiffeid.TrustDomain, text string) (any, error) {
	bundle, err := spiffebundle.Parse(td, []byte(text))
	if err == nil {
		return contentOf(bundle), nil
	}
	parts, ok := partsOf(text)
	if !ok {
		return nil, err
	}
	found := content{X509: []string{}, Jwt: []string{}, OneByOne: true}
	if sequence, given := parts.members["spiffe_sequence"]; given {
		alone, badSequence := spiffebundle.Parse(td, []byte(`{"keys":[],"spiffe_sequence":`+string(sequence)+`}`))
		if badSequence != nil {
			return nil, err
		}
		found.Sequence = contentOf(alone).Sequence
	}
	if hint, given := parts.members["spiffe_refresh_hint"]; given {
		if alone, bad := spiffebundle.Parse(td, []byte(`{"keys":[],"spiffe_refresh_hint":`+string(hint)+`}`)); bad == nil {
			found.Hint = contentOf(alone).Hint
		}
	}
	for _, key := range parts.keys {
		if alone, bad := spiffebundle.Parse(td, []byte(`{"keys":[`+string(key)+`]}`)); bad == nil {
			found.X509 = append(found.X509, contentOf(alone).X509...)
			found.Jwt = append(found.Jwt, contentOf(alone).Jwt...)
		}
	}
	found.X509, found.Jwt = sorted(found.X509), sorted(found.Jwt)
	return found, nil
}

func readJwks(td spiffeid.TrustDomain, text string) (any, error) {
	bundle, err := jwtbundle.Parse(td, []byte(text))
	if err == nil {
		return contentOf(spiffebundle.FromJWTBundle(bundle)), nil
	}
	parts, ok := partsOf(text)
	if !ok {
		return nil, err
	}
	found := content{X509: []string{}, Jwt: []string{}, OneByOne: true}
	for _, key := range parts.keys {
		if alone, bad := jwtbundle.Parse(td, []byte(`{"keys":[`+string(key)+`]}`)); bad == nil {
			found.Jwt = append(found.Jwt, jwtContent(alone.JWTAuthorities())...)
		}
	}
	found.Jwt = sorted(found.Jwt)
	return found, nil
}

type parts struct {
	members map[string]json.RawMessage
	keys    []json.RawMessage
}

func partsOf(text string) (parts, bool) {
	var whole parts
	if json.Unmarshal([]byte(text), &whole.members) != nil {
		return whole, false
	}
	keys, given := whole.members["keys"]
	return whole, given && json.Unmarshal(keys, &whole.keys) == nil && whole.keys != nil
}

func contentOf(bundle *spiffebundle.Bundle) content {
	found := content{X509: []string{}, Jwt: jwtContent(bundle.JWTAuthorities())}
	for _, authority := range bundle.X509Authorities() {
		found.X509 = append(found.X509, digest(authority.Raw))
	}
	found.X509 = sorted(found.X509)
	found.Sequence, _ = bundle.SequenceNumber()
	if hint, given := bundle.RefreshHint(); given {
		found.Hint = int64(hint.Seconds())
	}
	return found
}

func jwtContent(authorities map[string]crypto.PublicKey) []string {
	found := []string{}
	for keyID, key := range authorities {
		if signer, private := key.(crypto.Signer); private {
			key = signer.Public()
		}
		spki, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			spki = []byte(err.Error())
		}
		found = append(found, digest(append([]byte(keyID+"\n"), spki...)))
	}
	return sorted(found)
}

func sorted(items []string) []string {
	slices.Sort(items)
	return slices.Compact(items)
}

func digest(bytes []byte) string {
	sum := sha256.Sum256(bytes)
	return hex.EncodeToString(sum[:8])
}
