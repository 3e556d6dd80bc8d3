//go:build tools

// What hab builds from this module (../../metrics-server.yaml says how). The blank imports keep go.mod and go.sum whole.
package tools

import (
	_ "sigs.k8s.io/metrics-server/cmd/metrics-server"
)
