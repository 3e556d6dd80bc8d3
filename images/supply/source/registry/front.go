package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	"github.com/opencontainers/go-digest"
)

// front is what clients meet: who may do what, under which name, and what the other masters hear of it.
type front struct {
	store   *store
	peers   *peers
	names   names
	writers string
	// registry is distribution's.
	registry http.Handler
}

func newFront(store *store, peers *peers, names names, writers string) *front {
	config := &configuration.Configuration{Storage: configuration.Storage{
		"filesystem": {"rootdirectory": store.root},
		"delete":     {"enabled": true},
	}}
	// Whatever the client calls this machine, and whoever stands between, it comes back by the same way.
	config.HTTP.RelativeURLs = true
	// Of the platforms in a list only the lab's need be there.
	config.Validation.Manifests.Indexes.Platforms = "none"
	return &front{store, peers, names, writers, handlers.NewApp(context.Background(), config)}
}

	// Without it the list of repositories is always empty: a default that distribution has only where it reads a file.
	config.Catalog.MaxEntries = 1000
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/hab/news" && r.Method == http.MethodPost:
		f.peers.look()
	case r.Method != http.MethodGet && r.Method != http.MethodHead && !f.mayWrite(r):
		deny(w, http.StatusForbidden, "DENIED", "only the host of the lab may change something: nodes and others read")
	case r.URL.Path == "/hab/images":
		f.images(w)
	default:
		f.serve(w, r)
	}
}

// mayWrite tells whether the client's certificate, which TLS has verified, is of somebody who may change something.
func (f *front) mayWrite(r *http.Request) bool {
	return slices.Contains(r.TLS.PeerCertificates[0].Subject.Organization, f.writers)
}

// images answers with all tags, and those that were removed.
func (f *front) images(w http.ResponseWriter) {
	all, err := f.store.list()
	if err != nil {
		deny(w, http.StatusInternalServerError, "UNKNOWN", err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(sorted(all))
}

func (f *front) serve(w http.ResponseWriter, r *http.Request) {
	to, repository, part := f.names.rewrite(r.URL)
	asked := r.Clone(r.Context())
	asked.URL, asked.RequestURI = to, to.RequestURI()
	f.peers.quiet.RLock()
	defer f.peers.quiet.RUnlock()
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		f.registry.ServeHTTP(w, asked)
		return
	}
	f.peers.written()
	defer f.peers.written()
	tag, changes := strings.CutPrefix(part, "manifests/")
	if changes && r.Method == http.MethodDelete {
		if err := f.forget(repository, tag); err != nil {
			deny(w, http.StatusInternalServerError, "UNKNOWN", err.Error())
			return
		}
	}
	f.registry.ServeHTTP(w, asked)
	if changes {
		f.peers.tell()
	}
}

// forget notes the tags that go with a tag, or with the digest that they lead to.
func (f *front) forget(repository, gone string) error {
	images := []Image{{Name: repository, Tag: gone}}
	if parsed, err := digest.Parse(gone); err == nil {
		if images, err = f.store.leading(repository, parsed); err != nil {
			return err
		}
	}
	for at := range images {
		images[at].Time = time.Now().UnixNano()
	}
	return f.store.forget(images...)
}

// deny answers as registries do
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes).
func deny(w http.ResponseWriter, status int, code, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]string{{"code": code, "message": why}}})
}

// complain writes into the log of the node.
func complain(format string, values ...any) {
	fmt.Fprintf(os.Stderr, "hab-registry: "+format+"\n", values...)
}
