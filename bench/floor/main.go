// Command floor is an admission webhook that says yes to everything: the least that any webhook costs.
//
// It reads the review, decodes its uid and answers; nothing else. With -networks it also gives every pod that same
// network-selection annotation: the least that any webhook costs that changes pods, for the API server has to apply the
// patch. GET /count tells how many reviews it has answered, so that a benchmark can be sure that it was asked.
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

const (
	// The API server sends no object of more than 3 MiB; a review holds it once or twice.
	largestReview = 7 << 20
	// The API server keeps idle connections for 90 s, also those on which it has never asked anything (it dials more
	// than it needs). Who closes them first makes a request fail now and then.
	idleTimeout = 120 * time.Second
)

type review struct {
	Request struct {
		UID string `json:"uid"`
	} `json:"request"`
}

type answer struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Response   response `json:"response"`
}

type response struct {
	UID       string `json:"uid"`
	Allowed   bool   `json:"allowed"`
	PatchType string `json:"patchType,omitempty"`
	Patch     []byte `json:"patch,omitempty"`
}

type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value string `json:"value"`
}

var answered atomic.Int64

func main() {
	address := flag.String("address", "127.0.0.1:8443", "host:port to listen on")
	cert := flag.String("cert", "", "file with the serving certificate")
	key := flag.String("key", "", "file with its key")
	networks := flag.String("networks", "", "what every pod's network-selection annotation is replaced by; empty: nothing")
	flag.Parse()
	if err := serve(*address, *cert, *key, *networks); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func serve(address, cert, key, networks string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("-address %s: only loopback addresses are allowed", address)
	}
	allowed := response{Allowed: true}
	if networks != "" {
		allowed.PatchType = "JSONPatch"
		path := "/metadata/annotations/k8s.v1.cni.cncf.io~1networks"
		if allowed.Patch, err = json.Marshal([]operation{{"replace", path, networks}}); err != nil {
			return err
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /mutate-pods", func(w http.ResponseWriter, r *http.Request) { admit(w, r, allowed) })
	mux.HandleFunc("GET /count", count)
	server := &http.Server{
		Addr:              address,
		Handler:           mux,
		ReadHeaderTimeout: idleTimeout,
		IdleTimeout:       idleTimeout,
		// HTTP/1.1 only, which is what the API server speaks to webhooks.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	return server.ListenAndServeTLS(cert, key)
}

func admit(w http.ResponseWriter, r *http.Request, told response) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestReview))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var asked review
	if err := json.Unmarshal(body, &asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	told.UID = asked.Request.UID
	body, err = json.Marshal(answer{"admission.k8s.io/v1", "AdmissionReview", told})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answered.Add(1)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}

func count(w http.ResponseWriter, _ *http.Request) {
	_, _ = fmt.Fprintln(w, answered.Load())
}
