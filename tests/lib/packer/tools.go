//go:build tools

// What ../packer.sh builds from this module: packer, and the plugin by which it starts qemu. The blank imports keep
// go.mod and go.sum whole. The replace in go.mod is packer's own.
package tools

import (
	_ "github.com/hashicorp/packer"
	_ "github.com/hashicorp/packer-plugin-qemu"
)
