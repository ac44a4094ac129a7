package main

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// identity is the agent's own SVID with its key.
type identity struct {
	chain []*x509.Certificate
	key   *ecdsa.PrivateKey
}

// state is what an agent keeps over a restart.
type state struct {
	svid *identity
	// Root certificates of the trust domain; empty before the first contact of an agent that was
	// given no bundle.
	roots []*x509.Certificate
}

type onDisk struct {
	Chain [][]byte `json:"svid"`
	Key   []byte   `json:"key"`
	Roots [][]byte `json:"bundle"`
}

func (c config) file() string { return filepath.Join(c.dataDir, "agent-data.json") }

// load reads what an earlier run has kept; an SVID that has expired counts as none.
func load(c config) (*state, error) {
	data, err := os.ReadFile(c.file())
	if errors.Is(err, os.ErrNotExist) {
		return bootstrap(c)
	}
	if err != nil {
		return nil, err
	}
	var disk onDisk
	if err := json.Unmarshal(data, &disk); err != nil {
		return nil, err
	}
	kept := &state{}
	if kept.roots, err = parseAll(disk.Roots); err != nil {
		return nil, err
	}
	if len(disk.Chain) == 0 {
		return kept, nil
	}
	chain, err := parseAll(disk.Chain)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParseECPrivateKey(disk.Key)
	if err != nil {
		return nil, err
	}
	if time.Now().Add(time.Second).Before(chain[0].NotAfter) {
		kept.svid = &identity{chain, key}
	}
	return kept, nil
}

func bootstrap(c config) (*state, error) {
	if c.trustBundle == "" {
		return &state{}, nil
	}
	rest, err := os.ReadFile(c.trustBundle)
	if err != nil {
		return nil, err
	}
	var ders [][]byte
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		ders = append(ders, block.Bytes)
	}
	roots, err := parseAll(ders)
	if err != nil {
		return nil, err
	}
	if len(roots) == 0 {
		return nil, fmt.Errorf("no certificates found in %s", c.trustBundle)
	}
	return &state{roots: roots}, nil
}

func (s *state) save(c config) error {
	disk := onDisk{}
	for _, root := range s.roots {
		disk.Roots = append(disk.Roots, root.Raw)
	}
	if s.svid != nil {
		for _, certificate := range s.svid.chain {
			disk.Chain = append(disk.Chain, certificate.Raw)
		}
		key, err := x509.MarshalECPrivateKey(s.svid.key)
		if err != nil {
			return err
		}
		disk.Key = key
	}
	data, err := json.Marshal(disk)
	if err != nil {
		return err
	}
	return os.WriteFile(c.file(), data, 0o600)
}

// forget gives up the SVID; the bundle stays.
func (s *state) forget(c config) error {
	s.svid = nil
	return s.save(c)
}

func parseAll(ders [][]byte) ([]*x509.Certificate, error) {
	var certificates []*x509.Certificate
	for _, der := range ders {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		certificates = append(certificates, certificate)
	}
	return certificates, nil
}
