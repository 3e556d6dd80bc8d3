package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/distribution/distribution/v3"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	// every is how often the others are asked even if none has said that there is something new: such a word may be lost.
	every = time.Minute
	// settled is how long nobody may have written before what no tag leads to is removed: an image comes as layers first, and
	// a client may take its time between them.
	settled = 5 * time.Minute
	// answer is how long another master may take to begin an answer, and word how long a word to it may take in all.
	answer = 30 * time.Second
	word   = 10 * time.Second
	// silence is how long a connection on which nothing comes is left alone before the other machine is asked whether it is
	// still there. One that died in the middle of an answer is so known to be gone within 45 s.
	silence = 15 * time.Second
	// longest is how long one layer may take.
	longest = 30 * time.Minute
	// largest is how many bytes a manifest may have, as distribution itself has it (registry/handlers/manifests.go).
	largest = 4 << 20
)

var (
	// errAbsent says that another master does not have it.
	errAbsent = errors.New("not there")
	// errLost says that another master does not answer any more.
	errLost = errors.New("no answer")
)

// peers is the other masters, what is taken from them, and the order in which a store is changed.
type peers struct {
	store  *store
	others []string
	client *http.Client
	// news is filled when there is something to look at.
	news chan struct{}
	// quiet is held by whoever must not have the store change below them.
	quiet sync.RWMutex
	// last is when somebody wrote, in nanoseconds; dirty, whether something may be there since that no tag leads to.
	last  atomic.Int64
	dirty atomic.Bool
}

func newPeers(store *store, others []string, config *tls.Config) *peers {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	// Never through a proxy: it is the lab's own network.
	transport.Proxy, transport.TLSClientConfig, transport.ResponseHeaderTimeout = nil, config.Clone(), answer
	alive := net.KeepAliveConfig{Enable: true, Idle: silence, Interval: 5 * time.Second, Count: 6}
	transport.DialContext = (&net.Dialer{Timeout: answer, KeepAliveConfig: alive}).DialContext
	return &peers{
		store:  store,
		others: others,
		client: &http.Client{Transport: transport},
		news:   make(chan struct{}, 1),
	}
}

func (p *peers) written() {
	p.last.Store(time.Now().UnixNano())
	p.dirty.Store(true)
}

// look has the others asked as soon as may be.
func (p *peers) look() {
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// tell says to the others that there is something new here.
func (p *peers) tell() {
	for _, other := range p.others {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), word)
			defer cancel()
			request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+other+"/hab/news", nil)
			if err != nil {
				return
			}
			// One that is away asks by itself when it is back.
			if response, err := p.client.Do(request); err == nil {
				_ = response.Body.Close()
			}
		}()
	}
}

// follow takes what is new, and removes what nobody needs, until the end.
func (p *peers) follow(ctx context.Context) {
	p.tell()
	// One that came up while this one asked was not there yet, and did not hear of it either.
	p.look()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.news:
		case <-ticker.C:
		}
		p.once(ctx)
		p.clean(ctx)
	}
}

// clean removes what no tag leads to, if nobody is there and nobody was for a while.
func (p *peers) clean(ctx context.Context) {
	since := time.Since(time.Unix(0, p.last.Load()))
	if !p.dirty.Load() || since < settled || !p.quiet.TryLock() {
		return
	}
	defer p.quiet.Unlock()
	p.dirty.Store(false)
	if err := p.store.collect(ctx); err != nil {
		complain("removing what no tag leads to: %v", err)
	}
}

// once asks each of the others.
func (p *peers) once(ctx context.Context) {
	for _, other := range p.others {
		if err := p.take(ctx, other); err != nil && ctx.Err() == nil {
			complain("taking what %s has: %v", other, err)
		}
	}
}

// take takes what is newer at another master; one that is away has nothing.
func (p *peers) take(ctx context.Context, other string) error {
	response, err := p.get(ctx, other, "/hab/images")
	if err != nil {
		return nil //nolint:nilerr
	}
	var theirs []Image
	err = json.NewDecoder(response.Body).Decode(&theirs)
	_ = response.Body.Close()
	if err != nil {
		return err
	}
	own, err := p.store.list()
	if err != nil {
		return err
	}
	var all error
	for _, image := range theirs {
		if mine, known := own[image.key()]; known && !image.newer(mine) {
			continue
		}
		if err := p.adopt(ctx, other, image); err != nil {
			all = errors.Join(all, fmt.Errorf("%s: %w", image.key(), err))
		}
		// The next of its images would only be waited for, too.
		if errors.Is(all, errLost) {
			break
		}
	}
	return all
}

// adopt makes a tag here what it is at another master.
func (p *peers) adopt(ctx context.Context, other string, image Image) error {
	p.quiet.RLock()
	defer p.quiet.RUnlock()
	if image.Digest != "" {
		repository, err := p.store.repository(ctx, image.Name)
		if err != nil {
			return err
		}
		if err := p.copy(ctx, other, repository, image.Digest); err != nil {
			return err
		}
	}
	p.store.changing.Lock()
	defer p.store.changing.Unlock()
	// It may have taken minutes: what was changed here meanwhile counts.
	mine, err := p.store.known(image.Name, image.Tag)
	if err != nil || !image.newer(mine) {
		return err
	}
	defer p.written()
	switch {
	case image.Digest != "":
		return p.store.tag(ctx, image)
	case mine.Digest != "":
		return p.store.untag(ctx, image)
	default:
		return p.store.forget(image)
	}
}

// parts is all that an image has: its manifests, after those that they name, and what else these name.
type parts struct {
	manifests []distribution.Manifest
	blobs     []v1.Descriptor
}

// gather asks for all manifests of an image.
func (p *peers) gather(
	ctx context.Context, other string, of distribution.Repository, what digest.Digest,
) (parts, error) {
	var all parts
	manifest, err := p.manifest(ctx, other, of, what)
	if err != nil {
		return all, err
	}
	for _, part := range manifest.References() {
		if !slices.Contains(distribution.ManifestMediaTypes(), part.MediaType) {
			all.blobs = append(all.blobs, part)
			continue
		}
		below, err := p.gather(ctx, other, of, part.Digest)
		// Of a list's platforms only the lab's need be there.
		if err != nil && !errors.Is(err, errAbsent) {
			return all, err
		}
		all.manifests, all.blobs = append(all.manifests, below.manifests...), append(all.blobs, below.blobs...)
	}
	all.manifests = append(all.manifests, manifest)
	return all, nil
}

// copy brings a manifest and all that it names, the last first: what is there is whole. What does not fit is not begun.
func (p *peers) copy(ctx context.Context, other string, to distribution.Repository, what digest.Digest) error {
	all, err := p.gather(ctx, other, to, what)
	if err != nil {
		return err
	}
	missing, bytes := map[digest.Digest]v1.Descriptor{}, int64(0)
	for _, blob := range all.blobs {
		if _, twice := missing[blob.Digest]; twice {
			continue
		}
		if _, err := to.Blobs(ctx).Stat(ctx, blob.Digest); err != nil {
			missing[blob.Digest] = blob
			bytes += blob.Size
		}
	}
	if err := p.store.room(bytes); bytes > 0 && err != nil {
		return err
	}
	p.written()
	defer p.written()
	for _, blob := range missing {
		if err := p.blob(ctx, other, to, blob); err != nil {
			return err
		}
	}
	manifests, err := to.Manifests(ctx)
	if err != nil {
		return err
	}
	for _, manifest := range all.manifests {
		if _, err := manifests.Put(ctx, manifest); err != nil {
			return err
		}
	}
	return nil
}

func (p *peers) manifest(
	ctx context.Context, other string, to distribution.Repository, what digest.Digest,
) (distribution.Manifest, error) {
	response, err := p.get(ctx, other, "/v2/"+to.Named().Name()+"/manifests/"+what.String())
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	bytes, err := io.ReadAll(io.LimitReader(response.Body, largest))
	if err != nil {
		return nil, err
	}
	if found := digest.FromBytes(bytes); found != what {
		return nil, fmt.Errorf("what came has the digest %s in place of %s", found, what)
	}
	manifest, _, err := distribution.UnmarshalManifest(response.Header.Get("Content-Type"), bytes)
	return manifest, err
}

func (p *peers) blob(ctx context.Context, other string, to distribution.Repository, what v1.Descriptor) error {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	response, err := p.get(ctx, other, "/v2/"+to.Named().Name()+"/blobs/"+what.Digest.String())
	if err != nil {
		return err
	}
	defer response.Body.Close()
	writer, err := to.Blobs(ctx).Create(ctx)
	if err != nil {
		return err
	}
	coming := &metered{ReadCloser: response.Body, store: p.store, left: stretch}
	_, err = io.Copy(writer, io.LimitReader(coming, what.Size+1))
	if err == nil {
		// It compares the digest, too.
		_, err = writer.Commit(ctx, what)
	}
	if err != nil {
		_ = writer.Close()
		p.store.abandon(to.Named().Name(), writer.ID())
	}
	return err
}

// answered is what another master sends.
type answered struct{ io.ReadCloser }

func (a answered) Read(to []byte) (int, error) {
	read, err := a.ReadCloser.Read(to)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", errLost, err)
	}
	return read, err
}

// get asks another master for something.
func (p *peers) get(ctx context.Context, other, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+other+path, nil)
	if err != nil {
		return nil, err
	}
	for _, kind := range distribution.ManifestMediaTypes() {
		request.Header.Add("Accept", kind)
	}
	response, err := p.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errLost, err)
	}
	if response.StatusCode == http.StatusOK {
		response.Body = answered{response.Body}
		return response, nil
	}
	_ = response.Body.Close()
	if response.StatusCode == http.StatusNotFound {
		return nil, fmt.Errorf("%s: %w", path, errAbsent)
	}
	return nil, fmt.Errorf("%s: it answers %s", path, response.Status)
}
