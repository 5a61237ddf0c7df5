package link_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vchat/daemon/link"
	"vchat/daemon/mjpeg"
	"vchat/daemon/wire"
)

// jpegOf returns a JPEG of w x h.
func jpegOf(t *testing.T, w, h int) []byte {
	t.Helper()
	b, err := mjpeg.NewEncoder(80).EncodeYUYV(nil, make([]byte, 2*w*h), w, h, 2*w)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// claim returns a JPEG whose frame header claims w x h, with padding in its
// scan, so that the number of bytes is plausible.
func claim(t *testing.T, w, h int) []byte {
	t.Helper()
	b := jpegOf(t, 64, 48)
	sof := bytes.Index(b, []byte{0xFF, 0xC0})
	copy(b[sof+5:], []byte{byte(h >> 8), byte(h), byte(w >> 8), byte(w)})
	padding := make([]byte, w*h/64*3*2/8+100) // the least: 2 bits a block
	return slices.Concat(b[:len(b)-2], padding, b[len(b)-2:])
}

func (s *rawPeer) sendFrame(m wire.Frame, data []byte) {
	s.t.Helper()
	m.Size = len(data)
	if _, err := s.Write(append(wire.AppendFrame(nil, &m), data...)); err != nil {
		s.t.Fatal(err)
	}
}

// A frame of another size than it claims, or larger than a viewer can bear, is
// counted and reaches no viewer. The link stays up.
func TestLink_falseFrames(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, s := tn.nominated(t, "yuyv", "lz4")
		good := jpegOf(t, 64, 48)
		huge := claim(t, 16384, 16384)
		header := func(w, h uint16) wire.Frame { return wire.Frame{Width: w, Height: h, Codec: wire.CodecJPEG} }
		largest := claim(t, 7680, 4320)
		seq := uint64(0)
		for _, f := range []struct {
			name   string
			header wire.Frame
			data   []byte
			good   bool
		}{
			{"honest", header(64, 48), good, true},
			{"16384x16384", header(16384, 16384), huge, false},
			{"16384x16384 in a small header", header(64, 48), huge, false},
			{"small in a header of 7680x4320", header(7680, 4320), good, false},
			{"7680x4320", header(7680, 4320), largest, true},
			{"7681x4320", header(7681, 4320), claim(t, 7681, 4320), false},
			{"turned", header(48, 64), good, false},
			{"another format before the start", header(64, 48), append([]byte("\x89PNG\r\n\x1a\n"), good...), false},
			{"not a JPEG", header(64, 48), []byte("GIF89a\xff\xff\xff\xff"), false},
			{"two frames", header(64, 48), append(slices.Clone(good), huge...), true},
			{"honest again", header(64, 48), good, true},
		} {
			seq++
			f.header.Seq = seq
			before := alice.links.Status("bob").Receiving
			s.sendFrame(f.header, f.data)
			advance(time.Second)
			r := alice.links.Status("bob").Receiving
			if got := r.Frames-before.Frames == 1; got != f.good || (r.Broken-before.Broken == 1) == f.good {
				t.Errorf("%s: got accepted %v, want %v", f.name, got, f.good)
			}
			if data := alice.seen[seq]; f.good && f.name == "two frames" && !bytes.Equal(data, good) {
				t.Errorf("%s: got %d bytes, want the first frame only", f.name, len(data))
			}
		}
		if len(alice.down) != 0 {
			t.Errorf("got link down: %v, want it up", alice.down)
		}
	})
}

// A frame without a viewer is not decoded if that is expensive, but it counts.
func TestLink_unwatchedFrames(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, s := tn.nominated(t, "yuyv", "lz4")
		alice.locked(func() { alice.wanted = link.WantsNewest })
		small, large := jpegOf(t, 64, 48), claim(t, 4800, 4800)
		s.sendFrame(wire.Frame{Seq: 1, Width: 64, Height: 48, Codec: wire.CodecJPEG}, small)
		s.sendFrame(wire.Frame{Seq: 2, Width: 4800, Height: 4800, Codec: wire.CodecJPEG},
			append(large, make([]byte, 2<<20)...))
		s.sendFrame(wire.Frame{Seq: 3, Width: 64, Height: 48, Codec: wire.CodecYUYV}, make([]byte, 2*64*48))
		// This one does not decompress, which is not tried.
		s.sendFrame(wire.Frame{Seq: 4, Width: 64, Height: 48, Codec: wire.CodecYUYVLZ4}, make([]byte, 99))
		advance(time.Second)
		alice.locked(func() { alice.wanted = link.WantsAll })
		s.sendFrame(wire.Frame{Seq: 5, Width: 64, Height: 48, Codec: wire.CodecJPEG}, small)
		advance(time.Second)
		want := []string{"1 mjpeg 64x48", "2 skipped 4800x4800 card=false", "3 skipped 64x48 card=false",
			"4 skipped 64x48 card=false", "5 mjpeg 64x48"}
		for i, f := range alice.frames {
			alice.frames[i] = f[:min(len(f), len(want[min(i, len(want)-1)]))]
		}
		if diff := cmp.Diff(want, alice.frames); diff != "" {
			t.Errorf("frames (-want +got):\n%s", diff)
		}
		if r := alice.links.Status("bob").Receiving; r.Frames != 5 || r.Broken != 0 || r.Lost != 0 {
			t.Errorf("got %+v, want 5 frames", r)
		}
	})
}

// A flood of frames without a viewer, or of messages, is read at a bounded
// rate; TCP stops the sender.
func TestLink_floodIsReadSlowly(t *testing.T) {
	for name, flood := range map[string]func(i uint64) []byte{
		"frames": func(i uint64) []byte {
			m := wire.Frame{Seq: i, Width: 1024, Height: 512, Codec: wire.CodecYUYV, Size: 1 << 20}
			return append(wire.AppendFrame(nil, &m), make([]byte, m.Size)...)
		},
		"small frames": func(i uint64) []byte {
			m := wire.Frame{Seq: i, Width: 64, Height: 48, Codec: wire.CodecJPEG, Size: 1}
			return append(wire.AppendFrame(nil, &m), 0)
		},
		"pings":     func(i uint64) []byte { return message(t, &wire.Ping{T1: time.Duration(i)}) },
		"feedbacks": func(i uint64) []byte { return message(t, &wire.Feedback{Seq: i}) },
		"refreshes": func(uint64) []byte { return message(t, &wire.Refresh{}) },
		"pongs":     func(i uint64) []byte { return message(t, &wire.Pong{T1: time.Duration(i)}) },
		"unknown messages": func(uint64) []byte {
			return append([]byte{0x7f, 0, 0, 0, 0, 1, 0, 0}, make([]byte, 1<<16)...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, tn *testNet) {
				alice, s := tn.nominated(t, "yuyv")
				alice.locked(func() { alice.wanted = link.WantsNewest })
				sent, bytes := 0, 0
				go func() {
					for i := uint64(1); ; i++ {
						n, err := s.Write(flood(i))
						bytes += n
						if err != nil {
							return
						}
						sent++
					}
				}()
				go func() { _ = s.lastMessage() }()
				advance(time.Second)
				// 256 KiB wait in the network, and some in buffers.
				if bytes > 16<<20+2<<20 {
					t.Errorf("got %d MiB read in a second, want at most 16", bytes>>20)
				}
				if small := bytes/sent < 1000; small && sent > 300+400+256<<10/30+3000 {
					t.Errorf("got %d messages read in a second, want at most 300", sent)
				}
				if len(alice.down) != 0 {
					t.Errorf("got link down: %v, want it up", alice.down)
				}
				_ = s.Close()
			})
		})
	}
}
