package wire

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzReader: whatever the bytes are, a Reader ends with one of its errors, takes no more memory than the bytes can
// justify, and what it read is read again from what Append makes of it.
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
		room := make([]byte, len(stream))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := readAll(stream, room, func(Message, []byte) {})
		runtime.ReadMemStats(&after)
		if err != io.EOF && err != io.ErrUnexpectedEOF && !errors.Is(err, ErrProtocol) {
			t.Fatalf("ends with %v", err)
		}
		// A feature of 3 bytes becomes a string of its own in a slice that grows; the rest is the runtime's noise.
		if took, most := after.TotalAlloc-before.TotalAlloc, uint64(1<<16+64*len(stream)); took > most {
			t.Fatalf("took %d bytes for a stream of %d", took, len(stream))
		}
		readAll(stream, room, func(m Message, data []byte) { readAgain(t, m, data) })
	})
}

// readAll gives each message to saw, with its data if the stream can have it, and says what comes at the end.
func readAll(stream, room []byte, saw func(m Message, data []byte)) error {
	r := NewReader(bytes.NewReader(stream))
	for {
		m, err := r.Next()
		if err != nil {
			return err
		}
		var data []byte
		if p, ok := m.(*Frame); ok && p.Size <= len(room) {
			data = room[:p.Size]
			if err := r.Data(data); err != nil {
				return err
			}
		}
		saw(m, data)
	}
}

func readAgain(t *testing.T, m Message, data []byte) {
	var b []byte
	if p, ok := m.(*Frame); ok {
		b = append(AppendFrame(nil, p), data...)
	} else {
		var err error
		if b, err = Append(nil, m); err != nil {
			t.Fatalf("read %+v, which cannot be written: %v", m, err)
		}
	}
	r := NewReader(bytes.NewReader(b))
	if copy, err := r.Next(); err != nil || !cmp.Equal(m, copy) {
		t.Fatalf("%+v became %+v, %v", m, copy, err)
	}
}

// FuzzDecompress: any bytes unpack to exactly the room there is, or not at all, and never beyond it.
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
		room, intact := guarded(t, size)
		before := bytes.Clone(src)
		err := new(LZ4).Decompress(room, src)
		intact()
		if err != nil && !errors.Is(err, ErrBadData) {
			t.Fatalf("ends with %v", err)
		}
		if !bytes.Equal(src, before) {
			t.Fatal("changed its source")
		}
	})
}

// FuzzLZ4: what packs, unpacks to the same.
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
			t.Fatalf("unpacked to something else (%v)", err)
		}
	})
}
