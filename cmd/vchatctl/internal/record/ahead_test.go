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

// counted gives frames of a size until it has given so many, always in the same memory.
type counted struct {
	n, size int
	given   atomic.Int64
	data    []byte
}

func (c *counted) Next() (client.Frame, error) {
	i := c.given.Load()
	if int(i) == c.n {
		return client.Frame{}, io.EOF
	}
	if c.data == nil {
		c.data = make([]byte, c.size)
	}
	c.data[0] = byte(i)
	c.given.Add(1)
	return client.Frame{Data: c.data, Seq: uint64(i)}, nil
}

func TestReadAhead(t *testing.T) {
	for _, tt := range []struct{ n, size, held int }{
		{10, 100, 10},              // all of it
		{200, 100, aheadFrames},    // as many
		{20, aheadBytes / 4, 4},    // as much
		{3, aheadBytes + 1000, 1},  // one at least
		{3, aheadBytes/2 + 100, 1}, // and no more
	} {
		synctest.Test(t, func(t *testing.T) {
			src := &counted{n: tt.n, size: tt.size}
			a := ReadAhead(src)
			synctest.Wait()
			// One more waits to be put into it.
			if given := int(src.given.Load()); given != min(tt.held+1, tt.n) {
				t.Errorf("%d of %d frames of %d bytes are read ahead, want %d", given, tt.n, tt.size, tt.held+1)
			}
			for i := range tt.n {
				p, err := a.Next()
				if err != nil || p.Seq != uint64(i) || p.Data[0] != byte(i) || len(p.Data) != tt.size {
					t.Fatalf("frame %d: %v, %v", i, p.Seq, err)
				}
			}
			if _, err := a.Next(); err != io.EOF {
				t.Errorf("at the end: %v", err)
			}
			a.Close()
		})
	}
}

func TestReadAheadEndsWhileItIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := ReadAhead(&counted{n: 1000, size: 10})
		synctest.Wait()
		a.Close()
	})
}
