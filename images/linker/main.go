// hab-images makes the container images on the lab's disk of images known to containerd: their layers are mounted, not
// unpacked, and each becomes a snapshot that is a link to its mount.
//
//	hab-images link     mounts every layer, and registers every image; again after each boot
//	hab-images try REF  looks at an image as a container finds it
//	hab-images version
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/namespaces"
)

// version is set when it is built.
var version = "unknown"

const (
	// disk is where the node has the disk of images.
	disk = "/run/hab/images"
	// layers is where each layer is mounted, by the digits of its digest.
	layers = "/run/hab/layers"
	// namespace is Kubernetes'.
	namespace = "k8s.io"
	// snapshotter is the one that the node's containerd has for containers.
	snapshotter = "overlayfs"
	// socket is containerd's own.
	socket = "/run/containerd/containerd.sock"
	// patience is how long containerd may take to answer: on an emulated processor it is slow after its start.
	patience = 2 * time.Minute
)

func main() {
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == "link":
		err = with(link)
	case len(os.Args) == 3 && os.Args[1] == "try":
		err = with(func(ctx context.Context, client *containerd.Client) error { return try(ctx, client, os.Args[2]) })
	case len(os.Args) == 2 && os.Args[1] == "version":
		fmt.Println("hab-images", version)
	default:
		err = errors.New("usage: hab-images link | try IMAGE | version")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "hab-images:", err)
		os.Exit(1)
	}
}

// with calls work with containerd's client.
func with(work func(context.Context, *containerd.Client) error) error {
	client, err := containerd.New(socket, containerd.WithTimeout(patience))
	if err != nil {
		return err
	}
	defer client.Close()
	return work(namespaces.WithNamespace(context.Background(), namespace), client)
}
