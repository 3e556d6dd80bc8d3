//go:build tools

// What hab builds from this module (../../source.yaml says how). The blank imports keep go.mod and go.sum whole.
package tools

import (
	_ "github.com/containerd/containerd/v2/cmd/containerd"
	_ "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"
	_ "github.com/containerd/containerd/v2/cmd/ctr"
)
