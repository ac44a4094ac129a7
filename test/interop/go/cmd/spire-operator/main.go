// Command spire-operator makes, on a server's admin socket, the calls that SPIRE's operators' tools
// make: spire-server's own commands, its controller manager for Kubernetes, and Tornjak. It checks the
// answers that those look at, and prints one JSON object a check. It exits with 1 where one failed.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

const trustDomain = "example.org"

// operator is one run: the connection, and what has been found so far.
type operator struct {
	ctx    context.Context
	conn   *grpc.ClientConn
	failed int
}

func main() {
	socket := flag.String("socket", "", "the server's admin socket")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	conn, err := grpc.NewClient("unix://"+*socket,
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer conn.Close()
	o := &operator{ctx: ctx, conn: conn}
	agent := o.tokens()
	o.agents(agent)
	o.entries(agent)
	o.controllerManager(agent)
	o.bundles(agent)
	o.federation()
	o.mint()
	o.authorities()
	o.logger()
	o.health()
	if o.failed > 0 {
		os.Exit(1)
	}
}

// check tells of one thing that a tool relies on.
func (o *operator) check(name string, good bool, found ...any) {
	if !good {
		o.failed++
	}
	line, _ := json.Marshal(map[string]any{
		"event": "check", "name": name, "good": good, "found": fmt.Sprint(found...),
	})
	fmt.Println(string(line))
}

// must is a check that a call succeeds; what it answered is given back.
func must[T any](o *operator, name string, answer T, err error) T {
	o.check(name, err == nil, err)
	return answer
}

// refused is a check that a call is refused with this code, and a text that holds these words.
func refused(o *operator, name string, code codes.Code, words string, err error) {
	got := status.Convert(err)
	o.check(name, got.Code() == code && strings.Contains(got.Message(), words), got.Code(), " ", got.Message())
}

// hasStatus tells whether an item of a batch has this code and text.
func hasStatus(s *types.Status, code codes.Code, words string) bool {
	return s != nil && codes.Code(s.Code) == code && strings.Contains(s.Message, words)
}

func id(path string) *types.SPIFFEID {
	return &types.SPIFFEID{TrustDomain: trustDomain, Path: path}
}

func unix(value string) []*types.Selector {
	return []*types.Selector{{Type: "unix", Value: value}}
}
