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
	maxHeaders = 64       // lines before a frame
)

var errStream = errors.New("not a multipart stream of frames")

// parts reads a multipart/x-mixed-replace stream, in which each part says how long it is. The boundary is what comes after
// "--" at the beginning of a line; it is not compared, as ffmpeg does not announce its own.
type parts struct {
	in     *bufio.Reader
	header map[string]string // of the part read last, by names in lower case
	data   []byte            // reused
}

func newParts(r io.Reader) *parts {
	return &parts{in: bufio.NewReaderSize(r, 64<<10), header: map[string]string{}}
}

// next reads a whole part. What it gives is valid until the next call.
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
			return nil, fmt.Errorf("%w: %.40q where a boundary should be", errStream, line)
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
	return nil, fmt.Errorf("%w: more than %d lines before a frame", errStream, maxHeaders)
}

func (p *parts) line() ([]byte, error) {
	line, err := p.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("%w: a line of more than %d bytes", errStream, p.in.Size())
	}
	return bytes.TrimSpace(line), err
}

func (p *parts) body() ([]byte, error) {
	n, err := strconv.Atoi(p.header["content-length"])
	if err != nil || n <= 0 || n > maxFrame {
		return nil, fmt.Errorf("%w: a frame of %q bytes", errStream, p.header["content-length"])
	}
	if cap(p.data) < n {
		p.data = make([]byte, n+n/4)
	}
	p.data = p.data[:n]
	_, err = io.ReadFull(p.in, p.data)
	return p.data, err
}
