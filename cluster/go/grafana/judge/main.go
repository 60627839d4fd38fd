// Command judge-dashboard judges a dashboard, read from standard input, by what Grafana publishes of its schemas.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	plugins.RegisterDefaultPlugins()
	text, err := io.ReadAll(os.Stdin)
	faults := []error{err}
	if err == nil {
		var read dashboard.Dashboard
		faults = append(faults, read.UnmarshalJSONStrict(text), read.Validate())
	}
	wrong := false
	for _, fault := range faults {
		// An empty list of faults comes as an error that says nothing.
		if fault != nil && fault.Error() != "" {
			wrong = true
			fmt.Fprintln(os.Stderr, fault)
		}
	}
	if wrong {
		os.Exit(1)
	}
}
