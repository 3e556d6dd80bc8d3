package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
)

// ours marks what this program has made, so that it can go when the disk has it no more.
const ours = "hab.local/linked"

// labels are those of every image here: Kubernetes' own (containerd internal/cri/labels), by the second of which the kubelet
// never removes it; and ours.
var labels = map[string]string{
	"io.cri-containerd.image":  "managed",
	"io.cri-containerd.pinned": "pinned",
	ours:                       "yes",
}

// link does it all, as often as it is called.
func link(ctx context.Context, client *containerd.Client) error {
	start := time.Now()
	all, err := read(disk)
	if err != nil {
		return err
	}
	mounted, err := mountLayers(all)
	if err != nil {
		return err
	}
	// Nothing of what is made here is garbage before its image is there.
	ctx, done, err := client.WithLease(ctx, leases.WithRandomID(), leases.WithExpiration(time.Hour))
	if err != nil {
		return err
	}
	names, linked := []string{}, 0
	for _, one := range all {
		count, err := register(ctx, client, one)
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", one.names[0], err), done(ctx))
		}
		names, linked = append(append(names, one.names...), one.config.Digest.String()), linked+count
	}
	if err := done(ctx); err != nil {
		return err
	}
	gone, err := forget(ctx, client, names)
	fmt.Printf("%d images, %d layers mounted, %d linked, %d names removed, %s\n", len(all), mounted, linked, gone, time.Since(start).Round(time.Millisecond))
	return err
}

// mountLayers mounts the layers that are not mounted yet.
func mountLayers(all []*image) (int, error) {
	count := 0
	for _, one := range all {
		for _, layer := range one.diffIDs {
			to := filepath.Join(layers, layer.Encoded())
			if isMount(to) {
				continue
			}
			if err := os.MkdirAll(to, 0o755); err != nil {
				return count, err
			}
			if err := mountLayer(filepath.Join(disk, "layers", layer.Encoded()+".erofs"), to); err != nil {
				return count, fmt.Errorf("mounting the layer %s: %w", layer, err)
			}
			count++
		}
	}
	return count, nil
}

// mountLayer mounts a file: Linux from 6.12 on does that by itself, others need a loop device.
func mountLayer(file, to string) error {
	options := []string{"ro", "nodev", "nosuid"}
	// Where SELinux is on, what has no label may not be run.
	if label, err := os.ReadFile("/etc/kubernetes/hab/payload-label"); err == nil && exists("/sys/fs/selinux/enforce") {
		options = append(options, "context="+strings.TrimSpace(string(label)))
	}
	layer := mount.Mount{Type: "erofs", Source: file, Options: options}
	err := layer.Mount(to)
	if errors.Is(err, syscall.ENOTBLK) {
		layer.Options = append(layer.Options, "loop")
		err = layer.Mount(to)
	}
	return err
}

// isMount tells whether something is mounted on a folder: then it is on another device than the folder above.
func isMount(path string) bool {
	var own, above syscall.Stat_t
	return syscall.Stat(path, &own) == nil && syscall.Stat(filepath.Dir(path), &above) == nil && own.Dev != above.Dev
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// register makes an image known under all its names, and returns how many of its layers it has linked for that.
func register(ctx context.Context, client *containerd.Client, one *image) (int, error) {
	top, linked, err := linkLayers(ctx, client.SnapshotService(snapshotter), one.diffIDs)
	if err != nil {
		return linked, err
	}
	// What keeps what, for containerd's garbage collection (docs/garbage-collection.md).
	parts := []struct {
		*blob
		keeps map[string]string
	}{
		{one.config, map[string]string{"containerd.io/gc.ref.snapshot." + snapshotter: top}},
		{one.manifest, map[string]string{"containerd.io/gc.ref.content.config": one.config.Digest.String()}},
		{one.index, map[string]string{"containerd.io/gc.ref.content.m.0": one.manifest.Digest.String()}},
	}
	for _, part := range parts {
		if part.blob == nil {
			continue
		}
		if err := write(ctx, client.ContentStore(), part.blob, part.keeps); err != nil {
			return linked, err
		}
	}
	for _, name := range append(slices.Clone(one.names), one.config.Digest.String()) {
		if err := call(ctx, client.ImageService(), images.Image{Name: name, Target: one.target, Labels: labels}); err != nil {
			return linked, err
		}
	}
	return linked, nil
}

// linkLayers makes a snapshot of each layer, above the one before, that is a link to the layer's mount; returns the topmost.
func linkLayers(ctx context.Context, service snapshots.Snapshotter, diffIDs []digest.Digest) (string, int, error) {
	parent, linked := "", 0
	for i, layer := range diffIDs {
		chain := identity.ChainID(slices.Clone(diffIDs[:i+1])).String()
		if _, err := service.Stat(ctx, chain); err == nil {
			parent = chain
			continue
		} else if !errdefs.IsNotFound(err) {
			return parent, linked, err
		}
		key := "hab-images " + chain
		// One that a power cut has left.
		if err := service.Remove(ctx, key); err != nil && !errdefs.IsNotFound(err) {
			return parent, linked, err
		}
		mounts, err := service.Prepare(ctx, key, parent)
		if err != nil {
			return parent, linked, err
		}
		if err := replace(mounts, filepath.Join(layers, layer.Encoded())); err != nil {
			return parent, linked, errors.Join(err, service.Remove(ctx, key))
		}
		if err := service.Commit(ctx, chain, key); err != nil && !errdefs.IsAlreadyExists(err) {
			return parent, linked, err
		}
		parent = chain
		linked++
	}
	return parent, linked, nil
}

// replace puts a link to a layer's mount where the snapshotter keeps the files of a new snapshot, as its mounts say.
func replace(mounts []mount.Mount, layer string) error {
	files := ""
	for _, one := range mounts {
		if one.Type == "bind" {
			files = one.Source
		}
		for _, option := range one.Options {
			if upper, ok := strings.CutPrefix(option, "upperdir="); ok {
				files = upper
			}
		}
	}
	if files == "" {
		return fmt.Errorf("no folder of a snapshot is in %v", mounts)
	}
	if err := os.Remove(files); err != nil {
		return err
	}
	return os.Symlink(layer, files)
}

// write puts a blob into containerd's store, or tells what it keeps where it is there already.
func write(ctx context.Context, store content.Store, one *blob, keeps map[string]string) error {
	err := content.WriteBlob(ctx, store, "hab-images-"+one.Digest.Encoded(), bytes.NewReader(one.bytes), one.Descriptor, content.WithLabels(keeps))
	if err != nil {
		return err
	}
	info := content.Info{Digest: one.Digest, Labels: keeps}
	fields := []string{}
	for label := range keeps {
		fields = append(fields, "labels."+label)
	}
	_, err = store.Update(ctx, info, fields...)
	return err
}

// call gives an image its name, which another may have had before.
func call(ctx context.Context, store images.Store, one images.Image) error {
	_, err := store.Create(ctx, one)
	if errdefs.IsAlreadyExists(err) {
		_, err = store.Update(ctx, one)
	}
	return err
}

// forget removes the names that this program once gave and the disk has no more; garbage collection does the rest.
func forget(ctx context.Context, client *containerd.Client, names []string) (int, error) {
	store := client.ImageService()
	all, err := store.List(ctx, fmt.Sprintf("labels.%q==yes", ours))
	if err != nil {
		return 0, err
	}
	count := 0
	for _, one := range all {
		if slices.Contains(names, one.Name) {
			continue
		}
		if err := store.Delete(ctx, one.Name, images.SynchronousDelete()); err != nil && !errdefs.IsNotFound(err) {
			return count, err
		}
		count++
	}
	return count, nil
}
