package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	"github.com/distribution/reference"
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
	// Without it the list of repositories is always empty: a default that distribution has only where it reads a file.
	config.Catalog.MaxEntries = 1000
	return &front{store, peers, names, writers, handlers.NewApp(context.Background(), config)}
}

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
	// A tag that is being changed has no time of its own yet.
	f.store.changing.Lock()
	all, err := f.store.list()
	f.store.changing.Unlock()
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
	upload, _ := strings.CutPrefix(part, "blobs/uploads/")
	if err := f.store.room(r.ContentLength); r.ContentLength > 0 && err != nil {
		f.store.abandon(repository, upload)
		deny(w, http.StatusInsufficientStorage, "DENIED", err.Error())
		return
	}
	f.peers.written()
	defer f.peers.written()
	if called, changes := strings.CutPrefix(part, "manifests/"); changes {
		f.change(w, asked, repository, called)
		f.peers.tell()
		return
	}
	asked.Body = &metered{ReadCloser: r.Body, store: f.store, left: stretch}
	said := &heard{ResponseWriter: w}
	f.registry.ServeHTTP(said, asked)
	// Where only the order was wrong, a client may go on.
	if said.status/100 != 2 && said.status != http.StatusRequestedRangeNotSatisfiable {
		f.store.abandon(repository, upload)
	}
}

// change has a manifest put or removed. That counts more than all that is known here of its tags, whatever this machine's
// clock says: who hears that it is done has it.
func (f *front) change(w http.ResponseWriter, asked *http.Request, repository, called string) {
	if _, err := reference.WithName(repository); err != nil {
		deny(w, http.StatusBadRequest, "NAME_INVALID", err.Error())
		return
	}
	// All of it, before anybody waits for the end of the change.
	body, err := io.ReadAll(http.MaxBytesReader(w, asked.Body, largest))
	if err != nil {
		deny(w, http.StatusBadRequest, "MANIFEST_INVALID", err.Error())
		return
	}
	asked.Body = io.NopCloser(bytes.NewReader(body))
	f.store.changing.Lock()
	defer f.store.changing.Unlock()
	before, err := f.store.known(repository, called)
	if err == nil && asked.Method == http.MethodDelete {
		err = f.forget(repository, called)
	}
	if err != nil {
		deny(w, http.StatusInternalServerError, "UNKNOWN", err.Error())
		return
	}
	f.registry.ServeHTTP(w, asked)
	if asked.Method == http.MethodDelete {
		return
	}
	if err := f.store.after(before, repository, called); err != nil {
		complain("the time of %s:%s: %v", repository, called, err)
	}
}

// forget notes the tags that go with a tag, or with the digest that they lead to.
func (f *front) forget(repository, gone string) error {
	known, err := f.store.known(repository, gone)
	images := []Image{{Name: repository, Tag: gone, Time: known.Time}}
	if parsed, wrong := digest.Parse(gone); wrong == nil {
		images, err = f.store.leading(repository, parsed)
	}
	if err != nil {
		return err
	}
	for at := range images {
		images[at].Time = max(time.Now().UnixNano(), images[at].Time+1)
	}
	return f.store.forget(images...)
}

// stretch is how many bytes come between two looks at the disk.
const stretch = 256 << 10

// metered is a body that ends where there is no more room: of many nobody knows how long they are.
type metered struct {
	io.ReadCloser
	store *store
	// left is how many bytes may come before the next look.
	left int
}

func (m *metered) Read(to []byte) (int, error) {
	if m.left <= 0 {
		if err := m.store.room(0); err != nil {
			return 0, err
		}
		m.left = stretch
	}
	read, err := m.ReadCloser.Read(to[:min(len(to), m.left)])
	m.left -= read
	return read, err
}

// heard knows what was answered.
type heard struct {
	http.ResponseWriter
	status int
}

func (h *heard) WriteHeader(status int) {
	h.status = status
	h.ResponseWriter.WriteHeader(status)
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
