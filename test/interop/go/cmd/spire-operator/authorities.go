package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"net/url"
	"strings"
	"time"

	bundlev1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/bundle/v1"
	debugv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/debug/v1"
	localauthorityv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/localauthority/v1"
	loggerv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/logger/v1"
	svidv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/svid/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// mint is spire-server x509 mint and jwt mint.
func (o *operator) mint() {
	client := svidv1.NewSVIDClient(o.conn)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(o, "a key", key, err)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		URIs:     []*url.URL{{Scheme: "spiffe", Host: trustDomain, Path: "/minted"}},
		DNSNames: []string{"minted.example.org"},
	}, key)
	must(o, "a certificate request", csr, err)
	minted, err := client.MintX509SVID(o.ctx, &svidv1.MintX509SVIDRequest{Csr: csr, Ttl: 300})
	must(o, "x509 mint", minted, err)
	leaf, err := x509.ParseCertificate(minted.GetSvid().GetCertChain()[0])
	must(o, "what is minted can be read", leaf, err)
	bundle, err := bundlev1.NewBundleClient(o.conn).GetBundle(o.ctx, &bundlev1.GetBundleRequest{})
	must(o, "the bundle", bundle, err)
	roots := x509.NewCertPool()
	for _, authority := range bundle.GetX509Authorities() {
		root, err := x509.ParseCertificate(authority.Asn1)
		must(o, "an authority can be read", root, err)
		roots.AddCert(root)
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "minted.example.org", KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	o.check("what is minted verifies", err == nil && leaf.URIs[0].Path == "/minted" &&
		minted.Svid.Id.Path == "/minted" && time.Until(leaf.NotAfter) < 6*time.Minute, err)
	token, err := client.MintJWTSVID(o.ctx, &svidv1.MintJWTSVIDRequest{
		Id: id("/minted"), Audience: []string{"db"}, Ttl: 60,
	})
	must(o, "jwt mint", token, err)
	o.check("a token has its times", strings.Count(token.GetSvid().GetToken(), ".") == 2 &&
		token.Svid.ExpiresAt-token.Svid.IssuedAt == 60, token.GetSvid().GetId())
	_, err = client.MintJWTSVID(o.ctx, &svidv1.MintJWTSVIDRequest{Id: id("/minted")})
	refused(o, "jwt mint without an audience", codes.InvalidArgument, "", err)
}

// authorities is spire-server localauthority x509|jwt show, prepare, activate, taint, revoke, and
// upstreamauthority taint, revoke.
func (o *operator) authorities() {
	client := localauthorityv1.NewLocalAuthorityClient(o.conn)
	_, err := client.ActivateX509Authority(o.ctx, &localauthorityv1.ActivateX509AuthorityRequest{})
	refused(o, "activate without an id", codes.InvalidArgument, "no authority ID provided", err)
	_, err = client.ActivateX509Authority(o.ctx, &localauthorityv1.ActivateX509AuthorityRequest{AuthorityId: "none"})
	refused(o, "activate with an unknown id", codes.InvalidArgument, "unexpected authority ID", err)

	before, err := client.GetX509AuthorityState(o.ctx, &localauthorityv1.GetX509AuthorityStateRequest{})
	must(o, "localauthority x509 show", before, err)
	first := before.GetActive().GetAuthorityId()
	o.check("there is an active X.509 authority", first != "" && before.Active.ExpiresAt > time.Now().Unix(), before)
	_, err = client.TaintX509Authority(o.ctx, &localauthorityv1.TaintX509AuthorityRequest{AuthorityId: first})
	refused(o, "taint of the active one", codes.InvalidArgument, "current", err)
	prepared, err := client.PrepareX509Authority(o.ctx, &localauthorityv1.PrepareX509AuthorityRequest{})
	must(o, "localauthority x509 prepare", prepared, err)
	next := prepared.GetPreparedAuthority().GetAuthorityId()
	_, err = client.TaintX509Authority(o.ctx, &localauthorityv1.TaintX509AuthorityRequest{AuthorityId: next})
	refused(o, "taint of a prepared one", codes.InvalidArgument, "only Old local authorities can be tainted", err)
	activated, err := client.ActivateX509Authority(o.ctx, &localauthorityv1.ActivateX509AuthorityRequest{AuthorityId: next})
	must(o, "localauthority x509 activate", activated, err)
	after, err := client.GetX509AuthorityState(o.ctx, &localauthorityv1.GetX509AuthorityStateRequest{})
	must(o, "localauthority x509 show, again", after, err)
	o.check("the prepared one is active, the other old", after.GetActive().GetAuthorityId() == next &&
		after.GetOld().GetAuthorityId() == first && after.GetPrepared() == nil, after)
	tainted, err := client.TaintX509Authority(o.ctx, &localauthorityv1.TaintX509AuthorityRequest{AuthorityId: first})
	must(o, "localauthority x509 taint", tainted, err)
	o.check("the bundle says so", o.x509Taint() == "true false" || o.x509Taint() == "false true", o.x509Taint())
	revoked, err := client.RevokeX509Authority(o.ctx, &localauthorityv1.RevokeX509AuthorityRequest{AuthorityId: first})
	must(o, "localauthority x509 revoke", revoked, err)
	o.check("the bundle has the active one only", o.x509Taint() == "false", o.x509Taint())

	jwt, err := client.GetJWTAuthorityState(o.ctx, &localauthorityv1.GetJWTAuthorityStateRequest{})
	must(o, "localauthority jwt show", jwt, err)
	old := jwt.GetActive().GetAuthorityId()
	key, err := client.PrepareJWTAuthority(o.ctx, &localauthorityv1.PrepareJWTAuthorityRequest{})
	must(o, "localauthority jwt prepare", key, err)
	_, err = client.ActivateJWTAuthority(o.ctx, &localauthorityv1.ActivateJWTAuthorityRequest{
		AuthorityId: key.GetPreparedAuthority().GetAuthorityId(),
	})
	must(o, "localauthority jwt activate", key, err)
	_, err = client.TaintJWTAuthority(o.ctx, &localauthorityv1.TaintJWTAuthorityRequest{AuthorityId: old})
	must(o, "localauthority jwt taint", key, err)
	gone, err := client.RevokeJWTAuthority(o.ctx, &localauthorityv1.RevokeJWTAuthorityRequest{AuthorityId: old})
	must(o, "localauthority jwt revoke", gone, err)
	o.check("it says which one is gone", gone.GetRevokedAuthority().GetAuthorityId() == old, gone)

	_, err = client.TaintX509UpstreamAuthority(o.ctx, &localauthorityv1.TaintX509UpstreamAuthorityRequest{SubjectKeyId: "a"})
	refused(o, "upstreamauthority taint", codes.FailedPrecondition, "upstream authority is not configured", err)
	_, err = client.RevokeX509UpstreamAuthority(o.ctx, &localauthorityv1.RevokeX509UpstreamAuthorityRequest{SubjectKeyId: "a"})
	refused(o, "upstreamauthority revoke", codes.FailedPrecondition, "upstream authority is not configured", err)
	_, err = client.GetWITAuthorityState(o.ctx, &localauthorityv1.GetWITAuthorityStateRequest{})
	refused(o, "localauthority wit show", codes.Unimplemented, "", err)
}

// x509Taint says of each X.509 authority in the own bundle whether it is tainted.
func (o *operator) x509Taint() string {
	bundle, err := bundlev1.NewBundleClient(o.conn).GetBundle(o.ctx, &bundlev1.GetBundleRequest{})
	if err != nil {
		return err.Error()
	}
	var taint []string
	for _, authority := range bundle.GetX509Authorities() {
		if authority.Tainted {
			taint = append(taint, "true")
		} else {
			taint = append(taint, "false")
		}
	}
	return strings.Join(taint, " ")
}

// logger is spire-server logger get, set, reset.
func (o *operator) logger() {
	client := loggerv1.NewLoggerClient(o.conn)
	before, err := client.GetLogger(o.ctx, &loggerv1.GetLoggerRequest{})
	must(o, "logger get", before, err)
	set, err := client.SetLogLevel(o.ctx, &loggerv1.SetLogLevelRequest{NewLevel: types.LogLevel_WARN})
	must(o, "logger set", set, err)
	o.check("the level is what was set", set.GetCurrentLevel() == types.LogLevel_WARN &&
		set.GetLaunchLevel() == before.GetLaunchLevel(), set)
	_, err = client.SetLogLevel(o.ctx, &loggerv1.SetLogLevelRequest{})
	refused(o, "logger set to nothing", codes.InvalidArgument, "UNSPECIFIED", err)
	reset, err := client.ResetLogLevel(o.ctx, &loggerv1.ResetLogLevelRequest{})
	must(o, "logger reset", reset, err)
	o.check("the level is that of the start", reset.GetCurrentLevel() == before.GetLaunchLevel(), reset)
}

// health is spire-server healthcheck and debug getinfo, and Tornjak's front page.
func (o *operator) health() {
	alive, err := healthv1.NewHealthClient(o.conn).Check(o.ctx, &healthv1.HealthCheckRequest{})
	must(o, "healthcheck", alive, err)
	o.check("the server serves", alive.GetStatus() == healthv1.HealthCheckResponse_SERVING, alive)
	info, err := debugv1.NewDebugClient(o.conn).GetInfo(o.ctx, &debugv1.GetInfoRequest{})
	must(o, "debug getinfo", info, err)
	o.check("it says who it is and what it holds", len(info.GetSvidChain()) == 2 &&
		info.SvidChain[0].Id.Path == "/spire/server" && info.GetAgentsCount() == 1 && info.GetEntriesCount() > 500, info)
}
