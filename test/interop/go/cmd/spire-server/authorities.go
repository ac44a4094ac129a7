package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"net/url"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
)

const (
	backdate   = 10 * time.Second
	rotateTick = 200 * time.Millisecond
)

// authority is one slot: an X.509 CA, and beside it the JWT key of the same life.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	jwtKey      *ecdsa.PrivateKey
	jwtKeyID    string
	madeAt      time.Time
}

// authorities holds the active slot first, then the prepared one, then the old ones that still count.
type authorities struct {
	c        config
	mu       sync.Mutex
	current  *authority
	prepared *authority
	old      []*authority
	sequence uint64
	own      *tls.Certificate
	ownFrom  *authority
}

func newAuthorities(c config) (*authorities, error) {
	first, err := newAuthority(c)
	if err != nil {
		return nil, err
	}
	return &authorities{c: c, current: first, sequence: 1}, nil
}

func newAuthority(c config) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	jwtKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	keyID, err := keyIDOf(key.Public())
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject: pkix.Name{
			Country: []string{"US"}, Organization: []string{"SPIFFE"}, SerialNumber: serial.String(),
		},
		URIs:                  []*url.URL{c.trustDomain.ID().URL()},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(c.caTTL),
		SubjectKeyId:          keyID,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	name := make([]byte, 16)
	if _, err := rand.Read(name); err != nil {
		return nil, err
	}
	return &authority{certificate, key, jwtKey, hex.EncodeToString(name), now}, nil
}

// rotate prepares the next authority at half of the active one's life and activates it when a sixth
// is left, until the context ends.
func (a *authorities) rotate(ctx context.Context) error {
	tick := time.NewTicker(rotateTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := a.rotateOnce(time.Now()); err != nil {
				return err
			}
		}
	}
}

func (a *authorities) rotateOnce(now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	ends := a.current.certificate.NotAfter
	switch {
	case a.prepared == nil && now.After(ends.Add(-a.c.caTTL/2)):
		next, err := newAuthority(a.c)
		if err != nil {
			return err
		}
		a.prepared = next
		a.sequence++
		tell("prepared", map[string]any{"authority": hex.EncodeToString(next.certificate.SubjectKeyId)})
	case a.prepared != nil && now.After(ends.Add(-a.c.caTTL/6)):
		a.old = append(a.old, a.current)
		a.current, a.prepared = a.prepared, nil
		tell("activated", map[string]any{"authority": hex.EncodeToString(a.current.certificate.SubjectKeyId)})
	}
	for len(a.old) > 0 && now.After(a.old[0].certificate.NotAfter) {
		a.old = a.old[1:]
		a.sequence++
	}
	return nil
}

func (a *authorities) active() *authority {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.current
}

func (a *authorities) all() ([]*authority, uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := append([]*authority{}, a.old...)
	all = append(all, a.current)
	if a.prepared != nil {
		all = append(all, a.prepared)
	}
	return all, a.sequence
}

func (a *authorities) bundle() (*types.Bundle, error) {
	all, sequence := a.all()
	bundle := &types.Bundle{
		TrustDomain: a.c.trustDomain.Name(), SequenceNumber: sequence, RefreshHint: int64(a.c.caTTL.Seconds()) / 10,
	}
	for _, one := range all {
		key, err := x509.MarshalPKIXPublicKey(one.jwtKey.Public())
		if err != nil {
			return nil, err
		}
		bundle.X509Authorities = append(bundle.X509Authorities, &types.X509Certificate{Asn1: one.certificate.Raw})
		bundle.JwtAuthorities = append(bundle.JwtAuthorities, &types.JWTKey{
			PublicKey: key, KeyId: one.jwtKeyID, ExpiresAt: one.certificate.NotAfter.Unix(),
		})
	}
	return bundle, nil
}

// verify accepts an X.509-SVID of the own trust domain.
func (a *authorities) verify(raw [][]byte) error {
	all, _ := a.all()
	roots := x509bundle.New(a.c.trustDomain)
	for _, one := range all {
		roots.AddX509Authority(one.certificate)
	}
	_, _, err := x509svid.ParseAndVerify(raw, roots)
	return err
}

func (a *authorities) serverCertificate() (*tls.Certificate, error) {
	current := a.active()
	a.mu.Lock()
	own, from := a.own, a.ownFrom
	a.mu.Unlock()
	if own != nil && from == current && time.Until(own.Leaf.NotAfter) > a.c.x509TTL/2 {
		return own, nil
	}
	id, err := spiffeid.FromPath(a.c.trustDomain, "/spire/server")
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf, err := a.signX509(id, key.Public(), a.c.x509TTL, nil)
	if err != nil {
		return nil, err
	}
	own = &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
	a.mu.Lock()
	a.own, a.ownFrom = own, current
	a.mu.Unlock()
	return own, nil
}

func (a *authorities) signX509(
	id spiffeid.ID, key crypto.PublicKey, ttl time.Duration, dnsNames []string,
) (*x509.Certificate, error) {
	ca := a.active()
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	keyID, err := keyIDOf(key)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	notAfter := now.Add(ttl)
	if notAfter.After(ca.certificate.NotAfter) {
		notAfter = ca.certificate.NotAfter
	}
	subject := pkix.Name{Country: []string{"US"}, Organization: []string{"SPIRE"}}
	if len(dnsNames) > 0 {
		subject.CommonName = dnsNames[0]
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               subject,
		URIs:                  []*url.URL{id.URL()},
		DNSNames:              dnsNames,
		NotBefore:             now.Add(-backdate),
		NotAfter:              notAfter,
		SubjectKeyId:          keyID,
		AuthorityKeyId:        ca.certificate.SubjectKeyId,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, key, ca.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func (a *authorities) signJWT(id spiffeid.ID, audience []string) (*types.JWTSVID, error) {
	current := a.active()
	signer, err := jose.NewSigner(
		jose.SigningKey{
			Algorithm: jose.ES256,
			Key:       jose.JSONWebKey{Key: current.jwtKey, KeyID: current.jwtKeyID},
		},
		new(jose.SignerOptions).WithType("JWT"),
	)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	ends := now.Add(a.c.jwtTTL)
	if ends.After(current.certificate.NotAfter) {
		ends = current.certificate.NotAfter
	}
	token, err := jwt.Signed(signer).Claims(jwt.Claims{
		Subject:  id.String(),
		Audience: audience,
		Expiry:   jwt.NewNumericDate(ends),
		IssuedAt: jwt.NewNumericDate(now),
	}).Serialize()
	if err != nil {
		return nil, fmt.Errorf("unable to sign JWT SVID: %w", err)
	}
	return &types.JWTSVID{
		Token: token, Id: wireID(id), ExpiresAt: ends.Unix(), IssuedAt: now.Unix(),
	}, nil
}

func wireX509SVID(id spiffeid.ID, leaf *x509.Certificate) *types.X509SVID {
	return &types.X509SVID{CertChain: [][]byte{leaf.Raw}, Id: wireID(id), ExpiresAt: leaf.NotAfter.Unix()}
}

func newSerial() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
}

func keyIDOf(key crypto.PublicKey) ([]byte, error) {
	ec, ok := key.(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("unexpected key of type %T", key)
	}
	bits, err := ec.Bytes()
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum(bits)
	return sum[:], nil
}
