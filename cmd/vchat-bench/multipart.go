package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

const (
	maxFrame   = 16 << 20 // bytes
	maxHeaders = 64       // header lines of a part
)

var errStream = errors.New("not a multipart stream of frames")

// parts reads a multipart/x-mixed-replace stream whose parts have a
// Content-Length. Any line that starts with "--" is a boundary: ffmpeg does not
// announce its own.
type parts struct {
	in     *bufio.Reader
	header map[string]string // of the latest part; names are in lower case
	data   []byte            // reused
}

func newParts(r io.Reader) *parts {
	return &parts{in: bufio.NewReaderSize(r, 64<<10), header: map[string]string{}}
}

// next returns the next part's body, valid until the next call.
func (p *parts) next() (data []byte, err error) {
	for {
		line, err := p.line()
		if err != nil {
			return nil, err
		}
		if bytes.HasPrefix(line, []byte("--")) {
			break
		}
		if len(line) > 0 {
			return nil, fmt.Errorf("%w: %.40q instead of a boundary", errStream, line)
		}
	}
	clear(p.header)
	for range maxHeaders {
		line, err := p.line()
		if err != nil {
			return nil, err
		}
		if len(line) == 0 {
			return p.body()
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		p.header[string(bytes.ToLower(name))] = string(bytes.TrimSpace(value))
	}
	return nil, fmt.Errorf("%w: more than %d header lines", errStream, maxHeaders)
}

func (p *parts) line() ([]byte, error) {
	line, err := p.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("%w: line longer than %d bytes", errStream, p.in.Size())
	}
	return bytes.TrimSpace(line), err
}

func (p *parts) body() ([]byte, error) {
	n, err := strconv.Atoi(p.header["content-length"])
	if err != nil || n <= 0 || n > maxFrame {
		return nil, fmt.Errorf("%w: Content-Length %q", errStream, p.header["content-length"])
	}
	if cap(p.data) < n {
		p.data = make([]byte, n+n/4)
	}
	p.data = p.data[:n]
	_, err = io.ReadFull(p.in, p.data)
	return p.data, err
}
