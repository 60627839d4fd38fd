//go:build tools

// Package tools names the command of this module, so that go.mod and go.sum pin everything that it needs.
package tools

import (
	_ "helm.sh/helm/v4/cmd/helm"
)
