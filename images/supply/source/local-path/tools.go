//go:build tools

// What hab builds from this module (../../local-path.yaml says how). The blank imports keep go.mod and go.sum whole.
package tools

import (
	_ "github.com/rancher/local-path-provisioner"
)
