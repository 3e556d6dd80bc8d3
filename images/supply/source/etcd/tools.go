//go:build tools

// What hab builds from this module (../../source.yaml says how). The blank imports keep go.mod and go.sum whole.
package main

import (
	_ "go.etcd.io/etcd/etcdctl/v3"
	_ "go.etcd.io/etcd/etcdutl/v3"
)
