package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/opencontainers/image-spec/identity"
)

// try mounts what a container of the image would have for its root, looks whether something is in it and can be written
// beside it, and leaves nothing.
func try(ctx context.Context, client *containerd.Client, name string) (err error) {
	found, err := client.GetImage(ctx, name)
	if err != nil {
		return err
	}
	config, err := found.Config(ctx)
	if err != nil {
		return err
	}
	diffIDs, err := found.RootFS(ctx)
	if err != nil {
		return err
	}
	service := client.SnapshotService(snapshotter)
	key := fmt.Sprintf("hab-images try %d", os.Getpid())
	mounts, err := service.Prepare(ctx, key, identity.ChainID(diffIDs).String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, service.Remove(ctx, key)) }()
	count := 0
	err = mount.WithTempMount(ctx, mounts, func(root string) error {
		entries, err := os.ReadDir(root)
		if err != nil {
			return err
		}
		count = len(entries)
		return os.WriteFile(root+"/.hab-images", nil, 0o600)
	})
	if err == nil && count == 0 {
		err = errors.New("there is nothing in it")
	}
	if err == nil {
		fmt.Printf("%s of %s: %d files and folders\n", config.Digest, name, count)
	}
	return err
}
