package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

const connectionTimeout = 30 * time.Second

// serve [TRUST_DOMAIN]: tells each peer who it is taken for, until standard input ends.
func serve(ctx context.Context, args []string) error {
	source, err := workloadapi.NewX509Source(ctx)
	if err != nil {
		return err
	}
	defer source.Close()
	svid, err := source.GetX509SVID()
	if err != nil {
		return err
	}
	admitted := svid.ID.TrustDomain()
	if len(args) > 0 {
		if admitted, err = spiffeid.TrustDomainFromString(args[0]); err != nil {
			return err
		}
	}
	authorizer := tlsconfig.AuthorizeMemberOf(admitted)
	config := tlsconfig.MTLSServerConfig(source, source, authorizer)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		return err
	}
	defer listener.Close()
	say(line{"listening": listener.Addr().String()})
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
	for lines := stdinLines(); lines.Scan(); {
	}
	return nil
}

func greet(accepted net.Conn) {
	defer accepted.Close()
	connection := accepted.(*tls.Conn)
	_ = connection.SetDeadline(time.Now().Add(connectionTimeout))
	if _, err := bufio.NewReader(connection).ReadString('\n'); err != nil {
		say(line{"refused": err.Error()})
		return
	}
	id, err := spiffetls.PeerIDFromConnectionState(connection.ConnectionState())
	if err == nil {
		_, err = fmt.Fprintf(connection, "%s\n", id)
	}
	if err != nil {
		say(line{"refused": err.Error()})
	}
}

// dial: for each line `ADDRESS ID` of standard input one new connection to that address, where that ID has to answer.
func dial(ctx context.Context, _ []string) error {
	source, err := workloadapi.NewX509Source(ctx)
	if err != nil {
		return err
	}
	defer source.Close()
	say(line{"ready": true})
	for lines := stdinLines(); lines.Scan(); {
		address, expected, _ := strings.Cut(lines.Text(), " ")
		peer, seenAs, err := shake(source, address, expected)
		if err != nil {
			say(line{"error": err.Error()})
		} else {
			say(line{"peer": peer, "seenAs": seenAs})
		}
	}
	return nil
}

func shake(source *workloadapi.X509Source, address, expected string) (peer, seenAs string, err error) {
	id, err := spiffeid.FromString(expected)
	if err != nil {
		return "", "", err
	}
	config := tlsconfig.MTLSClientConfig(source, source, tlsconfig.AuthorizeID(id))
	dialer := &net.Dialer{Timeout: connectionTimeout}
	connection, err := tls.DialWithDialer(dialer, "tcp", address, config)
	if err != nil {
		return "", "", err
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(connectionTimeout))
	peerID, err := spiffetls.PeerIDFromConnectionState(connection.ConnectionState())
	if err != nil {
		return "", "", err
	}
	if _, err := fmt.Fprintln(connection, "who am I"); err != nil {
		return "", "", err
	}
	answer, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		return "", "", err
	}
	return peerID.String(), strings.TrimSpace(answer), nil
}
