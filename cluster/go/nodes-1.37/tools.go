//go:build tools

// Package tools names the commands of this module, so that go.mod and go.sum pin everything that they need.
package tools

import (
	_ "k8s.io/kubernetes/cmd/kube-proxy"
	_ "k8s.io/kubernetes/cmd/kubelet"
)
