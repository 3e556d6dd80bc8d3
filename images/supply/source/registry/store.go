package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/distribution/distribution/v3"
	"github.com/distribution/distribution/v3/registry/storage"
	"github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	// repositories is where distribution keeps them, and blobs, what is in them (its registry/storage/paths.go).
	repositories = "docker/registry/v2/repositories"
	blobs        = "docker/registry/v2/blobs"
	// forgotten is the file that says which tags were removed, and when.
	forgotten = "removed.json"
)

// Image is a tag, and what it leads to.
type Image struct {
	Name string `json:"name"`
	Tag  string `json:"tag"`
	// Digest is empty where the tag was removed.
	Digest digest.Digest `json:"digest,omitempty"`
	// Time of the last change, in nanoseconds since 1970: the newest of all masters counts.
	Time int64 `json:"time"`
}

// newer tells whether this counts more than the other. Of two at the same moment any will do that is the same everywhere.
func (i Image) newer(than Image) bool {
	return cmp.Or(cmp.Compare(i.Time, than.Time), cmp.Compare(i.Digest, than.Digest)) > 0
}

func (i Image) key() string { return i.Name + ":" + i.Tag }

// store is what a master keeps. The tags' own files say what there is and since when; of those that were removed a list
// is kept, or the other masters would bring them back.
type store struct {
	root   string
	driver *filesystem.Driver
	images distribution.Namespace
	// free is how much of the disk stays free, in percent.
	free uint

	// changing is held by who changes a tag, from before they look what is known of it: else the older change may win.
	changing sync.Mutex
	// removing keeps changes of the list apart.
	removing sync.Mutex
}

func open(ctx context.Context, root string, free uint) (*store, error) {
	// Collecting fails where one is missing.
	for _, folder := range []string{repositories, blobs} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o700); err != nil {
			return nil, err
		}
	}
	files := filesystem.New(filesystem.DriverParameters{RootDirectory: root, MaxThreads: 100})
	images, err := storage.NewRegistry(ctx, files, storage.EnableDelete)
	if err != nil {
		return nil, err
	}
	return &store{root: root, driver: files, images: images, free: free}, nil
}

// room fails where so many bytes do not fit, with what is to stay free for all else of the machine.
func (s *store) room(bytes int64) error {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(s.root, &disk); err != nil {
		return err
	}
	block := int64(disk.Bsize)
	left := int64(disk.Bavail)*block - int64(disk.Blocks)*block/100*int64(s.free)
	if bytes > left {
		return fmt.Errorf("no room on the master's data disk: %s are to come and %s may, for %d %% of it stay free for all else",
			mebibytes(bytes), mebibytes(max(left, 0)), s.free)
	}
	return nil
}

func mebibytes(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

// list is all tags that there are or were, by their names.
func (s *store) list() (map[string]Image, error) {
	all, err := s.removed()
	if err != nil {
		return nil, err
	}
	top := filepath.Join(s.root, repositories)
	err = filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			// Removed meanwhile.
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		if entry.IsDir() {
			if aside(path) {
				return fs.SkipDir
			}
			return nil
		}
		below, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		name, rest, ok := strings.Cut(below, "/_manifests/tags/")
		tag, ok2 := strings.CutSuffix(rest, "/current/link")
		if !ok || !ok2 {
			return nil
		}
		if image, err := s.current(name, tag); err == nil && image.newer(all[image.key()]) {
			all[image.key()] = image
		}
		return nil
	})
	return all, err
}

// aside tells whether this folder has no tags in it. A tag may be called as one of these, and a repository `index` or
// `revisions`.
func aside(path string) bool {
	if strings.HasSuffix(filepath.Dir(path), "/_manifests/tags") {
		return false
	}
	switch filepath.Base(path) {
	case "_layers", "_uploads":
		return true
	case "revisions", "index":
		return strings.Contains(path, "/_manifests/")
	}
	return false
}

// link is the file of a tag.
func (s *store) link(name, tag string) string {
	return filepath.Join(s.root, repositories, name, "_manifests/tags", tag, "current/link")
}

// current is a tag that there is, as its own file says.
func (s *store) current(name, tag string) (Image, error) {
	link, err := os.ReadFile(s.link(name, tag))
	if err != nil {
		return Image{}, err
	}
	info, err := os.Stat(s.link(name, tag))
	if err != nil {
		return Image{}, err
	}
	return Image{Name: name, Tag: tag, Digest: digest.Digest(link), Time: info.ModTime().UnixNano()}, nil
}

// known is the last that is known here of a tag: where it leads, or that it was removed; the zero image if nothing.
func (s *store) known(name, tag string) (Image, error) {
	all, err := s.removed()
	if err != nil {
		return Image{}, err
	}
	removed := all[Image{Name: name, Tag: tag}.key()]
	if image, err := s.current(name, tag); err == nil && image.newer(removed) {
		return image, nil
	}
	return removed, nil
}

// removed is the tags that were.
func (s *store) removed() (map[string]Image, error) {
	all := map[string]Image{}
	text, err := os.ReadFile(filepath.Join(s.root, forgotten))
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	return all, json.Unmarshal(text, &all)
}

// forget notes that these tags are removed. It comes before they are: else whoever ends in between has them again.
func (s *store) forget(images ...Image) error {
	s.removing.Lock()
	defer s.removing.Unlock()
	all, err := s.removed()
	if err != nil {
		return err
	}
	for _, image := range images {
		image.Digest = ""
		all[image.key()] = image
	}
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	path := filepath.Join(s.root, forgotten)
	// On a full disk there is no new list, and the old one stays.
	if err := write(path+".new", text); err != nil {
		return errors.Join(err, os.Remove(path+".new"))
	}
	return os.Rename(path+".new", path)
}

// write flushes what it writes: after a power cut the whole file is there.
func write(path string, bytes []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(bytes)
	return errors.Join(err, file.Sync(), file.Close())
}

// leading is the tags of a repository that lead to this.
func (s *store) leading(repository string, to digest.Digest) ([]Image, error) {
	all, err := s.list()
	var found []Image
	for _, image := range all {
		if image.Name == repository && image.Digest == to {
			found = append(found, image)
		}
	}
	return found, err
}

// tag has a tag lead to what is there already, as it does elsewhere since that time.
func (s *store) tag(ctx context.Context, image Image) error {
	repository, err := s.repository(ctx, image.Name)
	if err != nil {
		return err
	}
	if err := repository.Tags(ctx).Tag(ctx, image.Tag, v1.Descriptor{Digest: image.Digest}); err != nil {
		return err
	}
	since := time.Unix(0, image.Time)
	return os.Chtimes(s.link(image.Name, image.Tag), since, since)
}

// after has a tag that was changed just now be newer than what was known of it before, whatever this machine's clock says.
func (s *store) after(before Image, name, tag string) error {
	image, err := s.current(name, tag)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || image.Time > before.Time {
		return err
	}
	since := time.Unix(0, before.Time+1)
	return os.Chtimes(s.link(name, tag), since, since)
}

// untag removes a tag, as it is elsewhere since that time.
func (s *store) untag(ctx context.Context, image Image) error {
	repository, err := s.repository(ctx, image.Name)
	if err != nil {
		return err
	}
	if err := s.forget(image); err != nil {
		return err
	}
	return repository.Tags(ctx).Untag(ctx, image.Tag)
}

func (s *store) repository(ctx context.Context, name string) (distribution.Repository, error) {
	named, err := reference.WithName(name)
	if err != nil {
		return nil, err
	}
	return s.images.Repository(ctx, named)
}

// collect removes what no tag leads to, and what was begun and given up: distribution itself keeps that for a week. Nothing
// may be written meanwhile.
func (s *store) collect(ctx context.Context) error {
	if err := s.finish(ctx); err != nil {
		return err
	}
	err := filepath.WalkDir(filepath.Join(s.root, repositories), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() || entry.Name() != "_uploads" || !aside(path) {
			return err
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		return fs.SkipDir
	})
	if err != nil {
		return err
	}
	return storage.MarkAndSweep(ctx, s.driver, s.images, storage.GCOpts{RemoveUntagged: true, Quiet: true})
}

// upload is what distribution calls one; what is called otherwise is none.
var upload = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// abandon removes what came of a layer that will not come to its end. distribution would keep it for a week, for a client
// that goes on with it; but it lets none go on after a part of a request.
func (s *store) abandon(repository, called string) {
	if _, err := reference.WithName(repository); err == nil && upload.MatchString(called) {
		_ = os.RemoveAll(filepath.Join(s.root, repositories, repository, "_uploads", called))
	}
}

// finish removes the tags that are noted as removed and still there: something ended in between.
func (s *store) finish(ctx context.Context) error {
	all, err := s.removed()
	if err != nil {
		return err
	}
	for _, removed := range all {
		image, err := s.current(removed.Name, removed.Tag)
		if err != nil || image.newer(removed) {
			continue
		}
		repository, err := s.repository(ctx, removed.Name)
		if err != nil {
			return err
		}
		var gone driver.PathNotFoundError
		if err := repository.Tags(ctx).Untag(ctx, removed.Tag); err != nil && !errors.As(err, &gone) {
			return err
		}
	}
	return nil
}

// sorted is what there is and was, in an order.
func sorted(all map[string]Image) []Image {
	list := make([]Image, 0, len(all))
	for _, image := range all {
		list = append(list, image)
	}
	slices.SortFunc(list, func(a, b Image) int { return strings.Compare(a.key(), b.key()) })
	return list
}
