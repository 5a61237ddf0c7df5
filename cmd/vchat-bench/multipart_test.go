package main

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestParts_next(t *testing.T) {
	streams := map[string]string{
		"vchat": "--vchat\r\nContent-Type: image/jpeg\r\nContent-Length: 5\r\nX-Sequence: 7\r\n\r\none\r\n\r\n" +
			"--vchat\r\nContent-Length: 3\r\nX-Sequence: 8\r\n\r\ntwo\r\n--vchat\r\n",
		"ustreamer": "--b\r\nContent-Length: 5\r\nX-Sequence:  7 \r\n\r\none\r\n\r\n" +
			"--b\r\nContent-Type: image/jpeg\r\ncontent-length: 3\r\nX-SEQUENCE: 8\r\n\r\ntwo\r\n",
		"ffmpeg": "--ffmpeg\r\nContent-type: image/jpeg\r\nContent-length: 5\r\nx-sequence: 7\r\n\r\none\r\n\r\n" +
			"--ffmpeg\r\nContent-length: 3\r\nx-sequence: 8\r\n\r\ntwo\r\n--ffmpeg\r\n",
	}
	for name, s := range streams {
		t.Run(name, func(t *testing.T) {
			p := newParts(strings.NewReader(s))
			for _, want := range []struct{ data, seq string }{{"one\r\n", "7"}, {"two", "8"}} {
				data, err := p.next()
				if err != nil || string(data) != want.data || p.header["x-sequence"] != want.seq {
					t.Errorf("got %q, %q, %v, want %q", data, p.header, err, want)
				}
			}
			if _, err := p.next(); err != io.EOF {
				t.Errorf("at the end: got %v, want io.EOF", err)
			}
		})
	}
}

func TestParts_rejects(t *testing.T) {
	for name, s := range map[string]string{
		"no length":      "--b\r\nContent-Type: image/jpeg\r\n\r\nx",
		"length 0":       "--b\r\nContent-Length: 0\r\n\r\n",
		"negative":       "--b\r\nContent-Length: -1\r\n\r\n",
		"huge":           "--b\r\nContent-Length: 99999999\r\n\r\n",
		"no boundary":    "\r\nhello\r\n--b\r\n",
		"endless header": "--b\r\n" + strings.Repeat("a: b\r\n", 1000),
		"endless line":   "--b\r\na: " + strings.Repeat("b", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := newParts(strings.NewReader(s)).next(); !errors.Is(err, errStream) {
				t.Errorf("got %v, want errStream", err)
			}
		})
	}
	if _, err := newParts(strings.NewReader("--b\r\nContent-Length: 5\r\n\r\none")).next(); err != io.ErrUnexpectedEOF {
		t.Errorf("truncated body: got %v, want io.ErrUnexpectedEOF", err)
	}
}
