//go:build tools

// Package tools names the commands of this module, so that go.mod and go.sum pin everything that they need.
package tools

import (
	_ "github.com/containernetworking/cni/cnitool"
	_ "github.com/containernetworking/plugins/plugins/main/bridge"
	_ "github.com/containernetworking/plugins/plugins/meta/tuning"
)
