//go:build tools

// Package tools names the commands of this module, so that go.mod and go.sum pin everything that they need.
package tools

import (
	_ "github.com/prometheus/prometheus/cmd/prometheus"
	_ "github.com/prometheus/prometheus/cmd/promtool"
)
