// Command load sends one HTTP request again and again over a fixed number of TLS keep-alive connections
// and prints what it saw as one JSON object: requests, errors, seconds, latencies in microseconds.
//
// It speaks just enough HTTP/1.1 to do that: it should cost little beside the server that it measures.
// Every run of '#' of exactly 12 characters in the body is replaced by a number that no other request has.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const placeholder = "############"

type outcome struct {
	latencies []float64
	errors    int
	firstErr  string
}

func main() {
	address := flag.String("address", "127.0.0.1:8000", "host:port of the server")
	path := flag.String("path", "/", "request target")
	ca := flag.String("ca", "", "file with the CA certificate to trust")
	name := flag.String("server-name", "", "name to verify the server's certificate against")
	bodyFile := flag.String("body", "", "file with the request's body")
	connections := flag.Int("connections", 1, "connections, each with one request at a time")
	duration := flag.Duration("duration", 5*time.Second, "how long to measure")
	warmup := flag.Duration("warmup", time.Second, "how long to run before measuring")
	want := flag.String("want", "", "text that every response must contain")
	flag.Parse()
	if err := check(*address); err != nil {
		fail(err)
	}
	body, err := os.ReadFile(*bodyFile)
	if err != nil {
		fail(err)
	}
	pem, err := os.ReadFile(*ca)
	if err != nil {
		fail(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		fail(fmt.Errorf("%s holds no certificate", *ca))
	}
	config := &tls.Config{RootCAs: roots, ServerName: *name}
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", *path, *name, len(body))
	request := append([]byte(head), body...)

	start := time.Now()
	begin := start.Add(*warmup)
	end := begin.Add(*duration)
	var counter atomic.Int64
	counter.Store(time.Now().UnixMilli() % 1_000_000 * 100_000)
	outcomes := make([]outcome, *connections)
	var group sync.WaitGroup
	for i := range outcomes {
		group.Add(1)
		go func() {
			defer group.Done()
			run(*address, config, request, []byte(*want), &counter, begin, end, &outcomes[i])
		}()
	}
	group.Wait()
	report(outcomes, duration.Seconds())
}

// check refuses every target that is not a loopback address: this program is a load generator.
func check(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("-address %s: only loopback addresses are allowed", address)
	}
	return nil
}

func run(address string, config *tls.Config, template, want []byte, counter *atomic.Int64, begin, end time.Time, out *outcome) {
	request := bytes.Clone(template)
	var places []int
	for at := 0; ; {
		i := bytes.Index(request[at:], []byte(placeholder))
		if i < 0 {
			break
		}
		places = append(places, at+i)
		at += i + len(placeholder)
	}
	var conn *tls.Conn
	var reader *bufio.Reader
	for time.Now().Before(end) {
		if conn == nil {
			dialed, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", address, config)
			if err != nil {
				out.fail(err)
				time.Sleep(50 * time.Millisecond)
				continue
			}
			conn, reader = dialed, bufio.NewReaderSize(dialed, 16384)
		}
		number := fmt.Sprintf("%012d", counter.Add(1))
		for _, place := range places {
			copy(request[place:], number)
		}
		sent := time.Now()
		err := exchange(conn, reader, request, want)
		took := time.Since(sent)
		if err != nil {
			out.fail(err)
			conn.Close()
			conn = nil
			continue
		}
		if sent.After(begin) {
			out.latencies = append(out.latencies, float64(took.Nanoseconds())/1000)
		}
	}
	if conn != nil {
		conn.Close()
	}
}

func (o *outcome) fail(err error) {
	o.errors++
	if o.firstErr == "" {
		o.firstErr = err.Error()
	}
}

// exchange sends one request and reads its response, which must have a Content-Length.
func exchange(conn *tls.Conn, reader *bufio.Reader, request, want []byte) error {
	if err := conn.SetDeadline(time.Now().Add(15 * time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write(request); err != nil {
		return err
	}
	status, err := reader.ReadString('\n')
	if err != nil {
		return err
	}
	length := -1
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return err
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			break
		}
		if key, value, found := strings.Cut(line, ":"); found && strings.EqualFold(key, "Content-Length") {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return fmt.Errorf("response without Content-Length: %s", status)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(reader, body); err != nil {
		return err
	}
	if !strings.Contains(status, " 200 ") || !bytes.Contains(body, want) {
		return fmt.Errorf("unexpected response: %s %.300s", strings.TrimSpace(status), body)
	}
	return nil
}

func report(outcomes []outcome, seconds float64) {
	var all []float64
	errors, firstErr := 0, ""
	for _, o := range outcomes {
		all = append(all, o.latencies...)
		errors += o.errors
		if firstErr == "" {
			firstErr = o.firstErr
		}
	}
	sort.Float64s(all)
	quantile := func(q float64) float64 {
		if len(all) == 0 {
			return 0
		}
		return all[min(len(all)-1, int(q*float64(len(all))))]
	}
	_ = json.NewEncoder(os.Stdout).Encode(map[string]any{
		"requests": len(all), "errors": errors, "first_error": firstErr, "seconds": seconds,
		"requests_per_second": float64(len(all)) / seconds,
		"p50_us":              quantile(0.5), "p99_us": quantile(0.99), "max_us": quantile(1),
	})
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "load:", err)
	os.Exit(1)
}
