// Command load sends one HTTP request again and again over a fixed number of TLS keep-alive connections
// and prints what it saw as one JSON object: requests, errors, seconds, latencies in microseconds.
//
// It speaks just enough HTTP/1.1 to do that: it should cost little beside the server that it measures.
// Every run of '#' of exactly 12 characters in the body is replaced by a number that no other request has, and every
// `@@:@@:@@:@@:@@` by the same number as the last five bytes of a MAC address.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"net"
	"os"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

const (
	numberPlaceholder  = "############"
	addressPlaceholder = "@@:@@:@@:@@:@@"
	// A server that refuses connections is not asked more often than this.
	redialPause = 50 * time.Millisecond
	dialTimeout = 5 * time.Second
)

// plan is what every connection does. It ends after `requests` or at `end`, whichever comes first.
type plan struct {
	address   string
	tls       *tls.Config
	template  []byte
	numbers   []int
	addresses []int
	want      expectation
	requests  int64
	begin     time.Time
	end       time.Time
	counter   atomic.Int64
	first     int64
}

type outcome struct {
	latencies []float64
	answered  int
	errors    int
	firstErr  string
}

func main() {
	address := flag.String("address", "127.0.0.1:8000", "host:port of the server")
	path := flag.String("path", "/", "request target")
	ca := flag.String("ca", "", "file with the CA certificate to trust")
	name := flag.String("server-name", "", "name to verify the server's certificate against")
	cert := flag.String("cert", "", "file with a client certificate, if the server asks for one")
	key := flag.String("key", "", "file with its key")
	bodyFile := flag.String("body", "", "file with the request's body")
	connections := flag.Int("connections", 1, "connections, each with one request at a time")
	duration := flag.Duration("duration", 5*time.Second, "how long to measure, or with -requests the longest to take")
	warmup := flag.Duration("warmup", 0, "how long to run before measuring")
	requests := flag.Int64("requests", 0, "requests to send in all; 0: as many as the duration allows")
	status := flag.Int("status", 200, "status that every response must have")
	text := flag.String("want", "", "text that every response must contain")
	flag.Parse()
	if err := check(*address); err != nil {
		fail(err)
	}
	body, err := os.ReadFile(*bodyFile)
	if err != nil {
		fail(err)
	}
	config, err := clientConfig(*ca, *name, *cert, *key)
	if err != nil {
		fail(err)
	}
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", *path, *name, len(body))
	template := append([]byte(head), body...)
	p := &plan{
		address:   *address,
		tls:       config,
		template:  template,
		numbers:   places(template, numberPlaceholder),
		addresses: places(template, addressPlaceholder),
		want:      expectation{status: *status, text: []byte(*text)},
		requests:  math.MaxInt64,
		// Two runs must not use the same numbers either: the clock tells them apart.
		first: time.Now().UnixMilli() % 1_000_000 * 1_000_000,
	}
	if *requests > 0 {
		p.requests = *requests
	}
	report(p.run(*connections, *warmup, *duration))
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

func clientConfig(ca, name, cert, key string) (*tls.Config, error) {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("-ca %s holds no certificate", ca)
	}
	config := &tls.Config{RootCAs: roots, ServerName: name}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// places finds where in the request something unique goes.
func places(request []byte, placeholder string) []int {
	var found []int
	for at := 0; ; {
		i := bytes.Index(request[at:], []byte(placeholder))
		if i < 0 {
			return found
		}
		found = append(found, at+i)
		at += i + len(placeholder)
	}
}

// run opens every connection before the first request is sent, and returns what they saw and how long it took.
func (p *plan) run(connections int, warmup, duration time.Duration) ([]outcome, time.Duration) {
	outcomes := make([]outcome, connections)
	var dialed, finished sync.WaitGroup
	start := make(chan struct{})
	for i := range outcomes {
		dialed.Add(1)
		finished.Add(1)
		go func() {
			defer finished.Done()
			conn, err := p.dial()
			if err != nil {
				outcomes[i].fail(err)
			}
			dialed.Done()
			<-start
			p.drive(conn, &outcomes[i])
		}()
	}
	dialed.Wait()
	p.begin = time.Now().Add(warmup)
	p.end = p.begin.Add(duration)
	close(start)
	finished.Wait()
	return outcomes, time.Since(p.begin)
}

func (p *plan) dial() (*tls.Conn, error) {
	return tls.DialWithDialer(&net.Dialer{Timeout: dialTimeout}, "tcp", p.address, p.tls)
}

// drive sends one request after the other on one connection, and dials anew after an error.
func (p *plan) drive(conn *tls.Conn, out *outcome) {
	request := bytes.Clone(p.template)
	var reader *bufio.Reader
	if conn != nil {
		reader = bufio.NewReaderSize(conn, readBuffer)
	}
	for time.Now().Before(p.end) {
		number := p.counter.Add(1)
		if number > p.requests {
			break
		}
		if conn == nil {
			var err error
			if conn, err = p.dial(); err != nil {
				out.fail(err)
				time.Sleep(redialPause)
				continue
			}
			reader = bufio.NewReaderSize(conn, readBuffer)
		}
		p.fill(request, p.first+number)
		sent := time.Now()
		err := exchange(conn, reader, request, p.want)
		took := time.Since(sent)
		if err != nil {
			out.fail(err)
			conn.Close()
			conn = nil
			continue
		}
		out.answered++
		if !sent.Before(p.begin) {
			out.latencies = append(out.latencies, float64(took.Nanoseconds())/1000)
		}
	}
	if conn != nil {
		conn.Close()
	}
}

// fill puts a number, which is below 10^12 and so has less than 40 bits, wherever the request has a place for it.
func (p *plan) fill(request []byte, number int64) {
	for _, place := range p.numbers {
		copy(request[place:], fmt.Sprintf("%012d", number))
	}
	for _, place := range p.addresses {
		copy(request[place:], fmt.Sprintf("%02x:%02x:%02x:%02x:%02x",
			byte(number>>32), byte(number>>24), byte(number>>16), byte(number>>8), byte(number)))
	}
}

func (o *outcome) fail(err error) {
	o.errors++
	if o.firstErr == "" {
		o.firstErr = err.Error()
	}
}

func report(outcomes []outcome, took time.Duration) {
	var all []float64
	sent, errors, firstErr := 0, 0, ""
	for _, o := range outcomes {
		all = append(all, o.latencies...)
		sent += o.answered
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
		"requests": len(all), "sent": sent, "errors": errors, "first_error": firstErr, "seconds": took.Seconds(),
		"requests_per_second": float64(len(all)) / took.Seconds(),
		"p50_us":              quantile(0.5), "p99_us": quantile(0.99), "max_us": quantile(1),
	})
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "load:", err)
	os.Exit(1)
}
