// Command services speaks the contract of test/soak/fleet.ts with go-spiffe.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

const connectionTimeout = 10 * time.Second

type line map[string]any

var saying sync.Mutex

func say(l line) {
	saying.Lock()
	defer saying.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(l); err != nil {
		os.Exit(1)
	}
}

func main() {
	services := map[string]*workloadapi.X509Source{}
	for _, id := range os.Args[1:] {
		source, err := open(id)
		if err == nil {
			services[id] = source
			err = serve(id, source)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var n int
		var from, address, expected string
		if _, err := fmt.Sscan(lines.Text(), &n, &from, &address, &expected); err == nil {
			go dial(services[from], n, address, expected)
		}
	}
}

// open gives a source that shows this ID of those that the agent brings.
func open(id string) (*workloadapi.X509Source, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	pick := func(svids []*x509svid.SVID) *x509svid.SVID {
		for _, svid := range svids {
			if svid.ID.String() == id {
				return svid
			}
		}
		return nil
	}
	return workloadapi.NewX509Source(ctx, workloadapi.WithDefaultX509SVIDPicker(pick))
}

func serve(id string, source *workloadapi.X509Source) error {
	svid, err := source.GetX509SVID()
	if err != nil {
		return err
	}
	authorizer := tlsconfig.AuthorizeMemberOf(svid.ID.TrustDomain())
	config := tlsconfig.MTLSServerConfig(source, source, authorizer)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		return err
	}
	say(line{"service": id, "listening": listener.Addr().String()})
	go func() {
		for {
			connection, err := listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				go greet(connection)
			}
		}
	}()
	return nil
}

func greet(accepted net.Conn) {
	defer accepted.Close()
	connection := accepted.(*tls.Conn)
	_ = connection.SetDeadline(time.Now().Add(connectionTimeout))
	_, err := bufio.NewReader(connection).ReadString('\n')
	if err == nil {
		var id, authority string
		if id, authority, err = shown(connection); err == nil {
			_, err = fmt.Fprintf(connection, "%s %s\n", id, authority)
		}
	}
	if err != nil {
		say(line{"refused": err.Error()})
	}
}

// shown is the peer's ID, and the authority that signed what it showed.
func shown(connection *tls.Conn) (id, authority string, err error) {
	state := connection.ConnectionState()
	peer, err := spiffetls.PeerIDFromConnectionState(state)
	if err != nil {
		return "", "", err
	}
	return peer.String(), hex.EncodeToString(state.PeerCertificates[0].AuthorityKeyId), nil
}

func dial(source *workloadapi.X509Source, n int, address, expected string) {
	met, err := meet(source, address, expected)
	if err != nil {
		met = line{"error": err.Error()}
	}
	met["n"] = n
	say(met)
}

func meet(source *workloadapi.X509Source, address, expected string) (line, error) {
	id, err := spiffeid.FromString(expected)
	if err != nil {
		return nil, err
	}
	config := tlsconfig.MTLSClientConfig(source, source, tlsconfig.AuthorizeID(id))
	dialer := &net.Dialer{Timeout: connectionTimeout}
	connection, err := tls.DialWithDialer(dialer, "tcp", address, config)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(connectionTimeout))
	peer, authority, err := shown(connection)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintln(connection, "who am I"); err != nil {
		return nil, err
	}
	answer, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		return nil, err
	}
	seenAs, seenAuthority, _ := strings.Cut(strings.TrimSpace(answer), " ")
	return line{
		"peer": peer, "peerAuthority": authority, "seenAs": seenAs, "seenAuthority": seenAuthority,
	}, nil
}
