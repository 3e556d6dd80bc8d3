// hab-registry keeps container images on a master, for every node of the lab: CNCF's distribution, over mutual TLS.
// Each master has a store of its own and takes from the others what is newer there.
//
//	hab-registry serve    see `hab-registry serve -h`
//	hab-registry version
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
)

// version is set when it is built.
var version = "unknown"

const (
	// headers is how long a client may take to say what it wants; on an emulated processor TLS alone takes seconds.
	headers = time.Minute
	// drain is how long what is asked for may go on after the order to stop; a node ends services after 5 s.
	drain = 3 * time.Second
)

func main() {
	var err error
	switch {
	case len(os.Args) >= 2 && os.Args[1] == "serve":
		err = serve(os.Args[2:])
	case len(os.Args) == 2 && os.Args[1] == "version":
		fmt.Println("hab-registry", version)
	default:
		err = errors.New("usage: hab-registry serve ... | version")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "hab-registry:", err)
		os.Exit(1)
	}
}

func serve(args []string) error {
	flags := flag.NewFlagSet("hab-registry serve", flag.ExitOnError)
	address := flags.String("listen", ":5000", "where it listens")
	root := flags.String("store", "", "the folder with all that it keeps")
	keys := flags.String("keys", "", "the folder with ca.crt, registry.crt and registry.key")
	masters := flags.String("masters", "", "names and addresses of this lab's masters, with commas")
	others := flags.String("others", "", "addresses, with ports, of the other masters' registries, with commas")
	writers := flags.String("writers", "", "the group whose members may change something (O of their certificates)")
	free := flags.Uint("free", 20, "how much of the disk stays free for all else of the machine, in percent")
	_ = flags.Parse(args)

	// distribution says every request, and that nobody has an answer to one, which is no error of the master's.
	logrus.SetLevel(logrus.PanicLevel)
	config, err := mutual(*keys)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	_, port, err := net.SplitHostPort(*address)
	if err != nil {
		return err
	}
	store, err := open(ctx, *root, *free)
	if err != nil {
		return err
	}
	peers := newPeers(store, split(*others), config)
	// What it was told to forget goes before anybody asks, and who asks finds what the others have.
	if err := store.collect(ctx); err != nil {
		return err
	}
	peers.once(ctx)

	listener, err := net.Listen("tcp", *address)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           newFront(store, peers, names{masters: split(*masters), port: port}, *writers),
		TLSConfig:         config,
		ReadHeaderTimeout: headers,
		ErrorLog:          log.New(noise{}, "", 0),
	}
	go peers.follow(ctx)
	ready()
	failed := make(chan error, 1)
	go func() { failed <- server.ServeTLS(listener, "", "") }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		ending, cancel := context.WithTimeout(context.Background(), drain)
		defer cancel()
		_ = server.Shutdown(ending)
		return nil
	}
}

// mutual is TLS in which both sides show a certificate of the lab's authority.
func mutual(keys string) (*tls.Config, error) {
	authority, err := os.ReadFile(filepath.Join(keys, "ca.crt"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return nil, errors.New("ca.crt has no certificate in it")
	}
	own, err := tls.LoadX509KeyPair(filepath.Join(keys, "registry.crt"), filepath.Join(keys, "registry.key"))
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{own},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    pool,
		RootCAs:      pool,
	}, nil
}

// noise is the log without those who open the port and say nothing, as HAProxy does when it looks whether it is open.
type noise struct{}

func (noise) Write(line []byte) (int, error) {
	if !bytes.Contains(line, []byte("TLS handshake error")) {
		complain("%s", bytes.TrimSpace(line))
	}
	return len(line), nil
}

// ready tells systemd that it serves (sd_notify(3)).
func ready() {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return
	}
	if conn, err := net.Dial("unixgram", socket); err == nil {
		_, _ = conn.Write([]byte("READY=1"))
		_ = conn.Close()
	}
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}
