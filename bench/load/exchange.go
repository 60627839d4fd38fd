package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http/httputil"
	"strconv"
	"strings"
	"time"
)

const (
	readBuffer      = 16384
	exchangeTimeout = 15 * time.Second
)

// expectation is what a response must be like to count.
type expectation struct {
	status int
	text   []byte
}

// head is what matters of a response's status line and headers.
type head struct {
	line    string
	status  int
	length  int
	chunked bool
	closes  bool
}

// exchange sends one request and reads its response to the end.
func exchange(conn *tls.Conn, reader *bufio.Reader, request []byte, want expectation) error {
	if err := conn.SetDeadline(time.Now().Add(exchangeTimeout)); err != nil {
		return err
	}
	if _, err := conn.Write(request); err != nil {
		return err
	}
	h, err := readHead(reader)
	if err != nil {
		return err
	}
	body, err := readBody(reader, h)
	if err != nil {
		return err
	}
	if h.status != want.status || !bytes.Contains(body, want.text) {
		return fmt.Errorf("unexpected response: %s %.600s", h.line, body)
	}
	if h.closes {
		return fmt.Errorf("the server closed a connection that was to be kept: %s", h.line)
	}
	return nil
}

func readHead(reader *bufio.Reader) (head, error) {
	h := head{length: -1}
	line, err := reader.ReadString('\n')
	if err != nil {
		return h, err
	}
	h.line = strings.TrimRight(line, "\r\n")
	if fields := strings.Fields(h.line); len(fields) > 1 {
		h.status, _ = strconv.Atoi(fields[1])
	}
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return h, err
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			return h, nil
		}
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch {
		case strings.EqualFold(key, "Content-Length"):
			if h.length, err = strconv.Atoi(value); err != nil {
				return h, err
			}
		case strings.EqualFold(key, "Transfer-Encoding"):
			h.chunked = strings.EqualFold(value, "chunked")
		case strings.EqualFold(key, "Connection"):
			h.closes = strings.EqualFold(value, "close")
		}
	}
}

func readBody(reader *bufio.Reader, h head) ([]byte, error) {
	if !h.chunked {
		if h.length < 0 {
			return nil, fmt.Errorf("response of unknown length: %s", h.line)
		}
		body := make([]byte, h.length)
		_, err := io.ReadFull(reader, body)
		return body, err
	}
	body, err := io.ReadAll(httputil.NewChunkedReader(reader))
	if err != nil {
		return nil, err
	}
	// The chunked reader leaves the empty line after the last chunk.
	_, err = reader.Discard(len("\r\n"))
	return body, err
}
