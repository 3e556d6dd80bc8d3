package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// image is one of the disk's, under all its names.
type image struct {
	names []string
	// target is what the names lead to: index, which has the list of platforms, or manifest where there is no such list.
	target          ocispec.Descriptor
	index, manifest *blob
	config          *blob
	diffIDs         []digest.Digest
}

// blob is a small file of the disk, with its descriptor.
type blob struct {
	ocispec.Descriptor
	bytes []byte
}

// read reads the disk's OCI layout, which has no layers and of each list the one manifest that is for this node.
func read(folder string) ([]*image, error) {
	var list ocispec.Index
	if err := parse(filepath.Join(folder, "index.json"), &list); err != nil {
		return nil, err
	}
	var all []*image
	known := map[digest.Digest]*image{}
	for _, entry := range list.Manifests {
		name := entry.Annotations[images.AnnotationImageName]
		if name == "" {
			return nil, fmt.Errorf("%s has no name in index.json", entry.Digest)
		}
		found := known[entry.Digest]
		if found == nil {
			var err error
			if found, err = readImage(folder, entry); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			known[entry.Digest] = found
			all = append(all, found)
		}
		found.names = append(found.names, name)
	}
	return all, nil
}

func readImage(folder string, entry ocispec.Descriptor) (*image, error) {
	found := &image{target: ocispec.Descriptor{MediaType: entry.MediaType, Digest: entry.Digest, Size: entry.Size}}
	top, err := readBlob(folder, found.target)
	if err != nil {
		return nil, err
	}
	found.manifest = top
	if images.IsIndexType(entry.MediaType) {
		found.index = top
		var platforms ocispec.Index
		if err := json.Unmarshal(top.bytes, &platforms); err != nil {
			return nil, err
		}
		found.manifest = nil
		for _, one := range platforms.Manifests {
			if _, err := os.Stat(blobFile(folder, one.Digest)); err == nil && images.IsManifestType(one.MediaType) {
				if found.manifest, err = readBlob(folder, one); err != nil {
					return nil, err
				}
				break
			}
		}
		if found.manifest == nil {
			return nil, fmt.Errorf("none of the manifests of %s is on the disk", entry.Digest)
		}
	}
	var manifest ocispec.Manifest
	if err := json.Unmarshal(found.manifest.bytes, &manifest); err != nil {
		return nil, err
	}
	if found.config, err = readBlob(folder, manifest.Config); err != nil {
		return nil, err
	}
	var config ocispec.Image
	if err := json.Unmarshal(found.config.bytes, &config); err != nil {
		return nil, err
	}
	found.diffIDs = config.RootFS.DiffIDs
	return found, nil
}

func readBlob(folder string, descriptor ocispec.Descriptor) (*blob, error) {
	bytes, err := os.ReadFile(blobFile(folder, descriptor.Digest))
	if err != nil {
		return nil, err
	}
	if found := digest.FromBytes(bytes); found != descriptor.Digest {
		return nil, fmt.Errorf("the disk has %s in place of %s", found, descriptor.Digest)
	}
	return &blob{Descriptor: descriptor, bytes: bytes}, nil
}

func blobFile(folder string, digest digest.Digest) string {
	return filepath.Join(folder, "blobs", digest.Algorithm().String(), digest.Encoded())
}

func parse(path string, into any) error {
	bytes, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(bytes, into)
}
