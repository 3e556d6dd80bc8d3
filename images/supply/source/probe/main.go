// hab-probe speaks HTTP with nothing but what the payload carries. A node's gates wait with it for etcd and the API
// server, a master applies the cluster's own objects with it, a pod shows with it that the cluster's network works, and a node
// sets its clock, hears its power button and gives its user a shell with it.
//
//	hab-probe serve [-listen :8080]             answers every GET with this node's and pod's name
//	hab-probe check [-within 60s] [-every 1s] [-cacert FILE] [-cert FILE -key FILE] [-resolve NAME]... [-fetch URL]...
//	                                            tries each until it works, says so, exits 0; 1 when time is up
//	hab-probe any ...                           the same, but one that works is enough
//	hab-probe label [-within 60s] [-every 1s] [-cacert FILE] [-cert FILE -key FILE] -server URL -role ROLE=PREFIX...
//	                                            gives nodes the labels of their roles, now and as they come (label.go)
//	hab-probe apply [-within 60s] [-every 1s] [-cacert FILE] [-cert FILE -key FILE] -server URL -manager NAME
//	                [-inventory NAME -keep FOLDER [-fresh FILE] [-report]] FILE|FOLDER...
//	                                            hands an API server the objects of these files (apply.go), and removes what
//	                                            it was once handed and no file has any more (inventory.go)
//	hab-probe release [-within 60s] [-every 1s] [-cacert FILE] [-cert FILE -key FILE] -server URL -host NAME LEASE...
//	                                            gives up what programs of this host held before its restart (release.go)
//	hab-probe agent [-port FILE]                sets this machine's clock when the host asks (agent.go)
//	hab-probe shell [-port FILE]                runs what the host asks for (shell.go)
//	hab-probe power                             powers this machine off when its power button is pressed (power.go)
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

// result is one line of output.
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
	case "apply":
		apply(os.Args[2:])
	case "label":
		label(os.Args[2:])
	case "release":
		release(os.Args[2:])
	case "agent":
		agent(os.Args[2:])
	case "shell":
		shell(os.Args[2:])
	case "power":
		power(os.Args[2:])
	case "-version", "--version", "version":
		fmt.Println("hab-probe", version)
	default:
		usage()
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: hab-probe serve [-listen ADDR] | check|any ASKING [-resolve NAME]... [-fetch URL]... | apply ASKING -server URL -manager NAME [-inventory NAME -keep FOLDER [-fresh FILE] [-report]] FILE|FOLDER... | label ASKING -server URL -role ROLE=PREFIX... | release ASKING -server URL -host NAME LEASE... | agent [-port FILE] | shell [-port FILE] | power | version")
	fmt.Fprintln(os.Stderr, "ASKING: [-within TIME] [-every TIME] [-cacert FILE] [-cert FILE -key FILE]")
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

// asking is what every verb that asks is told: for how long, and as whom.
type asking struct {
	within, every     time.Duration
	cacert, cert, key string
}

// flags are those of a verb that asks.
func (a *asking) flags(verb string) *flag.FlagSet {
	flags := flag.NewFlagSet(verb, flag.ExitOnError)
	flags.DurationVar(&a.within, "within", time.Minute, "give up after this time; 0 never")
	flags.DurationVar(&a.every, "every", time.Second, "wait this long between two tries")
	flags.StringVar(&a.cacert, "cacert", "", "file of the CA that signed what answers")
	flags.StringVar(&a.cert, "cert", "", "file of the certificate to show")
	flags.StringVar(&a.key, "key", "", "file of its key")
	return flags
}

// context ends when the time is up.
func (a *asking) context() (context.Context, context.CancelFunc) {
	if a.within > 0 {
		return context.WithTimeout(context.Background(), a.within)
	}
	return context.WithCancel(context.Background())
}

// check tries every target until it works or the time is up; a cluster's first minutes have failures that mean nothing.
func check(argv []string, any bool) {
	var names, urls list
	var told asking
	flags := told.flags("check")
	flags.Var(&names, "resolve", "a name to look up in DNS (may be repeated)")
	flags.Var(&urls, "fetch", "a URL to GET, 200 wanted (may be repeated)")
	_ = flags.Parse(argv)
	if len(names)+len(urls) == 0 || flags.NArg() > 0 {
		usage()
	}
	transport := told.transport()
	// A connection of its own for each try: a kept one would tell of a server that has gone since.
	transport.DisableKeepAlives = true
	client := &http.Client{Transport: transport}
	ctx, stop := told.context()
	defer stop()
	fetch := func(ctx context.Context, url string) ([]string, error) { return fetch(ctx, client, url) }
	tries := make([]*try, 0, len(names)+len(urls))
	for _, name := range names {
		tries = append(tries, &try{result: result{What: "resolve", Target: name}, run: resolve, limit: patience})
	}
	for _, url := range urls {
		tries = append(tries, &try{result: result{What: "fetch", Target: url}, run: fetch, limit: patience})
	}
	finish(tries, rounds(ctx, tries, told.every, any, func() {}))
}

// unusable ends with what is wrong with what hab-probe was given.
func unusable(err error) {
	fmt.Fprintln(os.Stderr, "hab-probe:", err)
	os.Exit(2)
}

// finish says what came of all, and ends.
func finish(tries []*try, good bool) {
	for _, t := range tries {
		_ = json.NewEncoder(os.Stdout).Encode(t.result)
	}
	if !good {
		os.Exit(1)
	}
}

// transport trusts cacert, where one is named, and shows cert; with unusable ones the program ends.
func (a *asking) transport() *http.Transport {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if a.cacert != "" {
		pem, err := os.ReadFile(a.cacert)
		if err != nil {
			unusable(err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			unusable(fmt.Errorf("%s has no certificate in it", a.cacert))
		}
	}
	if a.cert != "" {
		pair, err := tls.LoadX509KeyPair(a.cert, a.key)
		if err != nil {
			unusable(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return &http.Transport{TLSClientConfig: config}
}

// patience is how long an answer to a question may take: ample for a handshake on an emulated processor.
const patience = 20 * time.Second

// try is one target, how to ask it, and how long an answer may take.
type try struct {
	result
	run   func(context.Context, string) ([]string, error)
	limit time.Duration
}

// rounds asks every target that has not worked yet, round by round, until all have (or any has), or ctx ends. After a
// round that left something it calls failed.
func rounds(ctx context.Context, tries []*try, every time.Duration, any bool, failed func()) bool {
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
		failed()
		select {
		case <-ctx.Done():
			return false
		case <-time.After(every):
		}
	}
}

// once asks once.
func (t *try) once(ctx context.Context) bool {
	t.Tries++
	limited, cancel := context.WithTimeout(ctx, t.limit)
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
	response, body, err := ask(ctx, client, call{method: http.MethodGet, url: url})
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.New(response.Status)
	}
	return []string{strings.TrimSpace(string(body[:min(len(body), 4096)]))}, nil
}

// call is a request, with a body of this kind unless that is empty.
type call struct {
	method, url, kind, content string
}

// ask sends a request and reads the answer to its end, for only then its connection can be kept. No object of Kubernetes is
// as large as 2 MiB.
func ask(ctx context.Context, client *http.Client, c call) (*http.Response, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, c.method, c.url, strings.NewReader(c.content))
	if err != nil {
		return nil, nil, err
	}
	if c.kind != "" {
		request.Header.Set("Content-Type", c.kind)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 2<<20))
	return response, body, err
}
