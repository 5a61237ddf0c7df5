package wire

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// FuzzReader checks that a Reader ends with one of its errors, that its
// allocations are proportional to the stream, and that its messages are the
// same after Append and another Reader.
func FuzzReader(f *testing.F) {
	for name, text := range vectorFiles(f) {
		v, err := parseVector(text)
		if err != nil {
			f.Fatalf("%s: %v", name, err)
		}
		if len(v.stream) < 1<<17 {
			f.Add(v.stream)
		}
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		buf := make([]byte, len(stream))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := readAll(stream, buf, func(Message, []byte) {})
		runtime.ReadMemStats(&after)
		if err != io.EOF && err != io.ErrUnexpectedEOF && !errors.Is(err, ErrProtocol) {
			t.Fatalf("got %v", err)
		}
		// A feature of 3 bytes becomes a string in a growing slice: up to 64
		// times the stream. The constant is for the runtime.
		if allocated, limit := after.TotalAlloc-before.TotalAlloc, uint64(1<<16+64*len(stream)); allocated > limit {
			t.Fatalf("stream of %d bytes: got %d bytes allocated, want at most %d", len(stream), allocated, limit)
		}
		readAll(stream, buf, func(m Message, data []byte) { reencode(t, m, data) })
	})
}

// readAll calls visit with each message, with the data of a frame if it fits
// into buf. It returns the error at the end.
func readAll(stream, buf []byte, visit func(m Message, data []byte)) error {
	r := NewReader(bytes.NewReader(stream))
	for {
		m, err := r.Next()
		if err != nil {
			return err
		}
		var data []byte
		if p, ok := m.(*Frame); ok && p.Size <= len(buf) {
			data = buf[:p.Size]
			if err := r.Data(data); err != nil {
				return err
			}
		}
		visit(m, data)
	}
}

func reencode(t *testing.T, m Message, data []byte) {
	var b []byte
	if p, ok := m.(*Frame); ok {
		b = append(AppendFrame(nil, p), data...)
	} else {
		var err error
		if b, err = Append(nil, m); err != nil {
			t.Fatalf("Append of %+v: %v", m, err)
		}
	}
	r := NewReader(bytes.NewReader(b))
	if copy, err := r.Next(); err != nil || !cmp.Equal(m, copy) {
		t.Fatalf("got %+v, %v; want %+v", copy, err, m)
	}
}

// FuzzDecompress checks that any input fills the buffer exactly or fails, and
// that nothing is written outside the buffer.
func FuzzDecompress(f *testing.F) {
	raw := card(64, 16)
	packed := make([]byte, len(raw))
	n, _ := new(LZ4).Compress(packed, raw)
	f.Add(packed[:n], len(raw))
	f.Add(packed[:n], len(raw)-1)
	f.Add([]byte{0x1f, 0x80, 1, 0, 7, 0x50, 1, 2, 3, 4, 5}, 32)
	f.Add([]byte{0xf0, 0xff, 0xff, 0xff}, 100)
	f.Fuzz(func(t *testing.T, src []byte, size int) {
		if size < 0 || size > 1<<16 {
			return
		}
		dst, intact := guarded(t, size)
		before := bytes.Clone(src)
		err := new(LZ4).Decompress(dst, src)
		intact()
		if err != nil && !errors.Is(err, ErrBadData) {
			t.Fatalf("got %v", err)
		}
		if !bytes.Equal(src, before) {
			t.Fatal("Decompress modified src")
		}
	})
}

// FuzzLZ4 checks that Decompress reverses Compress.
func FuzzLZ4(f *testing.F) {
	f.Add(card(64, 16), 2048)
	f.Add(make([]byte, 100), 20)
	f.Fuzz(func(t *testing.T, raw []byte, size int) {
		if size < 0 || size > 1<<16 {
			return
		}
		var z LZ4
		packed, intact := guarded(t, size)
		n, ok := z.Compress(packed, raw)
		intact()
		if !ok {
			return
		}
		got := make([]byte, len(raw))
		if err := z.Decompress(got, packed[:n]); err != nil || !bytes.Equal(got, raw) {
			t.Fatalf("got other bytes, or %v", err)
		}
	})
}

// FuzzClean checks that a clean text stays the same, is not longer, and has
// only characters that a terminal can bear.
func FuzzClean(f *testing.F) {
	f.Add("👩🏽\u200d⚕\ufe0f\u202e\u0301\u200b\ue000")
	f.Add("1\ufe0f\u20e3\u200d\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		got := clean(s, "\n")
		if len(got) > len(s) || !utf8.ValidString(got) || clean(got, "\n") != got {
			t.Fatalf("%+q: got %+q", s, got)
		}
		for _, r := range got {
			joins := r == zeroWidthJoiner || r == textSelector || r == emojiSelector
			if r != '\n' && !joins &&
				(unicode.IsControl(r) || isInvisible(r) || unicode.In(r, unicode.Zl, unicode.Zp)) {
				t.Fatalf("%+q: got U+%04X in %+q", s, r, got)
			}
		}
	})
}
