package record

import (
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"vchat/daemon/client"
	"vchat/daemon/daemontest/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// fakeSource returns n frames of a size. It reuses its memory.
type fakeSource struct {
	n, size int
	read    atomic.Int64
	data    []byte
}

func (s *fakeSource) Next() (client.Frame, error) {
	i := s.read.Load()
	if int(i) == s.n {
		return client.Frame{}, io.EOF
	}
	if s.data == nil {
		s.data = make([]byte, s.size)
	}
	s.data[0] = byte(i)
	s.read.Add(1)
	return client.Frame{Data: s.data, Seq: uint64(i)}, nil
}

func TestBuffer(t *testing.T) {
	for _, tt := range []struct {
		name          string
		n, size, want int
	}{
		{"all frames fit", 10, 100, 10},
		{"limit of frames", 200, 100, bufferFrames},
		{"limit of bytes", 20, bufferBytes / 4, 4},
		{"a frame above the limit", 3, bufferBytes + 1000, 1},
		{"two frames above the limit", 3, bufferBytes/2 + 100, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &fakeSource{n: tt.n, size: tt.size}
				b := NewBuffer(src)
				synctest.Wait()
				// One more frame waits for room.
				if got, want := int(src.read.Load()), min(tt.want+1, tt.n); got != want {
					t.Errorf("got %d frames read, want %d", got, want)
				}
				for i := range tt.n {
					p, err := b.Next()
					if err != nil {
						t.Fatalf("frame %d: %v", i, err)
					}
					if p.Seq != uint64(i) || p.Data[0] != byte(i) || len(p.Data) != tt.size {
						t.Fatalf("frame %d: got frame %d of %d bytes", i, p.Seq, len(p.Data))
					}
				}
				if _, err := b.Next(); err != io.EOF {
					t.Errorf("after the last frame: got %v, want EOF", err)
				}
				b.Close()
			})
		})
	}
}

func TestBuffer_Close_whileFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBuffer(&fakeSource{n: 1000, size: 10})
		synctest.Wait()
		b.Close()
	})
}
