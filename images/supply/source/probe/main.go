// hab-probe asks whether something answers, with nothing but what the payload carries. A node's gates wait with it for
// etcd and the API server, and a pod shows with it that the cluster's network works.
//
//	hab-probe serve [-listen :8080]             answers every GET with this node's and pod's name
//	hab-probe check [-within 60s] [-every 1s] [-cacert FILE] [-cert FILE -key FILE] [-resolve NAME]... [-fetch URL]...
//	                                            tries each until it works, says so, exits 0; 1 when time is up
//	hab-probe any ...                           the same, but one that works is enough
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// version is stamped in by the build, like every other binary's.
var version = "unknown"

// list is a flag that may be given more than once.
type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// result is one line of check's output.
type result struct {
	What   string   `json:"what"`
	Target string   `json:"target"`
	OK     bool     `json:"ok"`
	Got    []string `json:"got,omitempty"`
	Error  string   `json:"error,omitempty"`
	Tries  int      `json:"tries"`
}

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	switch os.Args[1] {
	case "serve":
		serve(os.Args[2:])
	case "check":
		check(os.Args[2:], false)
	case "any":
		check(os.Args[2:], true)
	case "-version", "--version", "version":
		fmt.Println("hab-probe", version)
	default:
		usage()
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: hab-probe serve [-listen ADDR] | check|any [-within TIME] [-every TIME] [-cacert FILE] [-cert FILE -key FILE] [-resolve NAME]... [-fetch URL]... | version")
	os.Exit(2)
}

// serve answers until it is told to stop.
func serve(argv []string) {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	listen := flags.String("listen", ":8080", "address to listen on")
	_ = flags.Parse(argv)

	pod, _ := os.Hostname()
	node := os.Getenv("NODE_NAME")
	server := &http.Server{
		Addr:              *listen,
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "%s %s\n", node, pod)
		}),
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintln(os.Stderr, "hab-probe: serving:", err)
		os.Exit(1)
	}
}

// check tries every target until it works or the time is up; a cluster's first minutes have failures that mean nothing.
func check(argv []string, any bool) {
	var names, urls list
	flags := flag.NewFlagSet("check", flag.ExitOnError)
	within := flags.Duration("within", time.Minute, "give up after this time; 0 never")
	every := flags.Duration("every", time.Second, "wait this long between two tries")
	cacert := flags.String("cacert", "", "file of the CA that signed what answers")
	cert := flags.String("cert", "", "file of the certificate to show")
	key := flags.String("key", "", "file of its key")
	flags.Var(&names, "resolve", "a name to look up in DNS (may be repeated)")
	flags.Var(&urls, "fetch", "a URL to GET, 200 wanted (may be repeated)")
	_ = flags.Parse(argv)
	if len(names)+len(urls) == 0 || flags.NArg() > 0 {
		usage()
	}
	client, err := client(*cacert, *cert, *key)
	if err != nil {
		fmt.Fprintln(os.Stderr, "hab-probe:", err)
		os.Exit(2)
	}

	ctx := context.Background()
	if *within > 0 {
		limited, stop := context.WithTimeout(ctx, *within)
		defer stop()
		ctx = limited
	}
	fetch := func(ctx context.Context, url string) ([]string, error) { return fetch(ctx, client, url) }
	tries := make([]*try, 0, len(names)+len(urls))
	for _, name := range names {
		tries = append(tries, &try{result: result{What: "resolve", Target: name}, run: resolve})
	}
	for _, url := range urls {
		tries = append(tries, &try{result: result{What: "fetch", Target: url}, run: fetch})
	}
	good := rounds(ctx, tries, *every, any)
	for _, t := range tries {
		_ = json.NewEncoder(os.Stdout).Encode(t.result)
	}
	if !good {
		os.Exit(1)
	}
}

// client trusts cacert, where one is named, and shows cert.
func client(cacert, cert, key string) (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if cacert != "" {
		pem, err := os.ReadFile(cacert)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate in it", cacert)
		}
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	// A connection of its own for each try: a kept one would tell of a server that has gone since.
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}, nil
}

// try is one target and how to ask it.
type try struct {
	result
	run func(context.Context, string) ([]string, error)
}

// rounds asks every target that has not worked yet, round by round, until all have (or any has), or ctx ends.
func rounds(ctx context.Context, tries []*try, every time.Duration, any bool) bool {
	for {
		left := 0
		for _, t := range tries {
			if !t.OK && !t.once(ctx) {
				left++
			} else if any {
				return true
			}
		}
		if left == 0 {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(every):
		}
	}
}

// once asks once. 20 seconds are ample for a handshake on an emulated processor.
func (t *try) once(ctx context.Context) bool {
	t.Tries++
	limited, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	got, err := t.run(limited, t.Target)
	if err == nil {
		t.OK, t.Got, t.Error = true, got, ""
	} else if ctx.Err() == nil || t.Error == "" {
		// The deadline's own error would hide the reason; keep the last real one.
		t.Error = err.Error()
	}
	return t.OK
}

func resolve(ctx context.Context, name string) ([]string, error) {
	return net.DefaultResolver.LookupHost(ctx, name)
}

func fetch(ctx context.Context, client *http.Client, url string) ([]string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.New(response.Status)
	}
	return []string{strings.TrimSpace(string(body))}, nil
}
