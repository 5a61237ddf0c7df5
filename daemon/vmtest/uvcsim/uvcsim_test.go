package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image/jpeg"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"vchat/daemon/daemontest/leaktest"
	"vchat/daemon/vmtest/testframe"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// splitDescriptors splits a configuration descriptor at the lengths in it.
func splitDescriptors(t *testing.T, b []byte) [][]byte {
	t.Helper()
	var out [][]byte
	for len(b) > 0 {
		if n := int(b[0]); n < 2 || n > len(b) {
			t.Fatalf("got a descriptor of length %d, want 2 to %d", n, len(b))
		} else {
			out, b = append(out, b[:n]), b[n:]
		}
	}
	return out
}

func TestConfigurationDescriptor_lengths(t *testing.T) {
	b := configurationDescriptor()
	if n := int(binary.LittleEndian.Uint16(b[2:])); n != len(b) {
		t.Errorf("wTotalLength: got %d, want %d", n, len(b))
	}
	frames := map[byte]int{}
	for _, d := range splitDescriptors(t, b) {
		if d[1] != 0x24 {
			continue
		}
		switch d[2] {
		case 5, 7: // processing unit or uncompressed frame; MJPEG frame
			if d[2] == 5 && len(d) < 26 {
				continue
			}
			frames[d[2]]++
			if n := int(d[25]); len(d) != 26+4*n {
				t.Errorf("frame descriptor % x with %d intervals: got %d bytes, want %d", d, n, len(d), 26+4*n)
			}
		}
	}
	if want := map[byte]int{7: len(modes(formatMJPEG)), 5: len(modes(formatYUYV))}; !cmp.Equal(frames, want) {
		t.Errorf("frame descriptors by subtype: got %v, want %v", frames, want)
	}
}

func TestProbe_supported(t *testing.T) {
	request := func(format, frame byte, interval uint32) probe {
		p := make(probe, probeSize)
		p[2], p[3] = format, frame
		binary.LittleEndian.PutUint32(p[4:], interval)
		return p
	}
	for _, tt := range []struct {
		name      string
		requested probe
		w, h      int
		fps       int
	}{
		{"zeros", request(0, 0, 0), 1280, 720, 30},
		{"too short", probe{}, 1280, 720, 30},
		{"supported", request(formatMJPEG, 3, 666666), 640, 480, 15},
		{"unsupported rate", request(formatMJPEG, 1, 10_000_000/26), 1280, 720, 25},
		{"unknown frame", request(formatYUYV, 99, 0), 640, 480, 30},
		{"unknown format", request(9, 1, 0), 1280, 720, 30},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, wantInterval := tt.requested.supported(), interval(tt.fps)
			if m := got.mode(); m.w != tt.w || m.h != tt.h || got.interval() != wantInterval {
				t.Errorf("got %dx%d with interval %d, want %dx%d with %d",
					m.w, m.h, got.interval(), tt.w, tt.h, wantInterval)
			}
		})
	}
}

func TestFaults_apply(t *testing.T) {
	sent := testframe.New(64, 48).Frame(nil, testframe.Stamp{Camera: 1})
	small := testframe.New(16, 16).Frame(nil, testframe.Stamp{})
	apply := func(f *faults, sequence uint32) []byte {
		return f.apply(bytes.Clone(sent), func() []byte { return small }, sequence)
	}
	decodes := func(b []byte) bool { _, err := jpeg.Decode(bytes.NewReader(b)); return err == nil }
	for _, tt := range []struct {
		fault         string
		same, decodes bool
	}{
		{"trunc", false, false},
		{"garbage", false, false},
		{"notables", false, false},
		{"tiny", false, false},
		{"freeze", true, true},
		{"hang", true, true},
		{"small", false, true},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			var f faults
			if err := f.byName()[tt.fault].set("2"); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(apply(&f, 3), sent) {
				t.Error("fault of every second frame: got frame 3 changed, want it unchanged")
			}
			got := apply(&f, 4)
			if same := bytes.Equal(got, sent); same != tt.same || decodes(got) != tt.decodes {
				t.Errorf("frame 4: got same %v and decodes %v, want %v and %v", same, decodes(got), tt.same, tt.decodes)
			}
			f.reset()
			if !bytes.Equal(apply(&f, 4), sent) {
				t.Error("after a reset: got a changed frame, want it unchanged")
			}
		})
	}
}

func TestFaults_apply_mixed(t *testing.T) {
	var f faults
	if err := f.mixed.set("87%"); err != nil {
		t.Fatal(err)
	}
	sent := testframe.New(64, 48).Frame(nil, testframe.Stamp{})
	small := testframe.New(16, 16).Frame(nil, testframe.Stamp{})
	good, kinds := 0, map[string]int{}
	for sequence := range uint32(1000) {
		got := f.apply(bytes.Clone(sent), func() []byte { return small }, sequence)
		if bytes.Equal(got, sent) {
			good++
		} else {
			kinds[string(got)]++
		}
	}
	if good != 130 || len(kinds) != 4 {
		t.Errorf("got %d good frames of 1000 and %d kinds of broken ones, want 130 and 4", good, len(kinds))
	}
}

func TestFault_set_invalid(t *testing.T) {
	for _, word := range []string{"", "0", "-1", "101%", "x%", "1e3"} {
		t.Run(word, func(t *testing.T) {
			var f fault
			if err := f.set(word); err == nil {
				t.Errorf("set(%q): got no error, want one", word)
			}
		})
	}
}

func TestFreePort(t *testing.T) {
	const table = "hub port sta spd dev      sockfd local_busid\n" +
		"hs  0000 006 003 00010002 000005 3-1\n" +
		"hs  0001 004 000 00000000 000000 0-0\n" +
		"ss  0008 004 000 00000000 000000 0-0\n"
	if n, err := freePort(table); n != 1 || err != nil {
		t.Errorf("got %d, %v, want 1", n, err)
	}
	if _, err := freePort(strings.ReplaceAll(table, "hs  0001 004", "hs  0001 006")); !errors.Is(err, errNoPort) {
		t.Errorf("all high-speed ports in use: got %v, want errNoPort", err)
	}
}

// A driver is the kernel's end of a USB/IP connection.
type driver struct {
	t    *testing.T
	conn *os.File
	seq  uint32
}

func (d *driver) submit(in bool, endpoint uint32, setup []byte, length, packets int, tail []byte) {
	d.t.Helper()
	h := make([]byte, headerSize)
	d.seq++
	binary.BigEndian.PutUint32(h, cmdSubmit)
	binary.BigEndian.PutUint32(h[4:], d.seq)
	if in {
		h[15] = 1
	}
	binary.BigEndian.PutUint32(h[16:], endpoint)
	binary.BigEndian.PutUint32(h[24:], uint32(length))
	binary.BigEndian.PutUint32(h[32:], uint32(packets))
	copy(h[40:], setup)
	if _, err := d.conn.Write(append(h, tail...)); err != nil {
		d.t.Fatal(err)
	}
}

// answer reads a RET_SUBMIT or RET_UNLINK.
func (d *driver) answer() (status int32, data []byte, packets int) {
	d.t.Helper()
	h := make([]byte, headerSize)
	read := func(b []byte) {
		for n := 0; n < len(b); {
			k, err := d.conn.Read(b[n:])
			if err != nil {
				d.t.Fatal(err)
			}
			n += k
		}
	}
	read(h)
	data = make([]byte, binary.BigEndian.Uint32(h[24:]))
	packets = int(binary.BigEndian.Uint32(h[32:]))
	read(data)
	read(make([]byte, 16*packets))
	return int32(binary.BigEndian.Uint32(h[20:])), data, packets
}

func plugIn(t *testing.T, c *camera) *driver {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	d := &driver{t: t, conn: os.NewFile(uintptr(pair[0]), "kernel")}
	s := newSession(c, os.NewFile(uintptr(pair[1]), "usbip"))
	t.Cleanup(func() {
		d.conn.Close()
		<-s.done
	})
	return d
}

func TestSession(t *testing.T) {
	c := newCamera(5, "Camera", "S1")
	d := plugIn(t, c)
	d.submit(true, 0, []byte{0x80, 6, 2, 3, 9, 4, 255, 0}, 255, 0, nil) // product name
	want := stringDescriptor([]string{"Camera"}, 1)
	if _, data, _ := d.answer(); !bytes.Equal(data, want) {
		t.Errorf("product name: got % x, want % x", data, want)
	}
	d.submit(true, 0, []byte{0xa1, getCur, 0, 9, 0, 2, 2, 0}, 2, 0, nil)
	if status, _, _ := d.answer(); status != statusStall {
		t.Errorf("unknown control: got status %d, want %d", status, statusStall)
	}
	d.submit(false, 0, []byte{0x01, 11, 1, 0, 1, 0, 0, 0}, 0, 0, nil) // SET_INTERFACE: start the stream
	d.answer()

	var got []byte // payloads of the first frame, without headers
	for ended := false; !ended; {
		const packets = 8
		var table []byte
		for i := range uint32(packets) {
			table = binary.BigEndian.AppendUint32(table, i*packetSize)
			table = binary.BigEndian.AppendUint32(table, packetSize)
			table = append(table, make([]byte, 8)...)
		}
		d.submit(true, 1, nil, packets*packetSize, packets, table)
		status, data, n := d.answer()
		if status != 0 || n != packets {
			t.Fatalf("transfer: got status %d and %d packets, want 0 and %d", status, n, packets)
		}
		for len(data) > 0 && !ended {
			n := min(packetSize, len(data))
			ended = data[1]&payloadEnd != 0
			got, data = append(got, data[2:n]...), data[n:]
		}
	}
	st, err := testframe.ParseStamp(got)
	if err != nil || st.Camera != 5 || st.Sequence != 0 {
		t.Fatalf("stamp: got %+v, %v, want camera 5 and sequence 0", st, err)
	}
	if want := testframe.New(1280, 720).Frame(nil, st); !bytes.Equal(got, want) {
		t.Errorf("payloads: got %d bytes, want the %d bytes of the frame", len(got), len(want))
	}
	if !c.status().Streaming {
		t.Error("during the stream: got status not streaming, want streaming")
	}
	d.submit(false, 0, []byte{0x01, 11, 0, 0, 1, 0, 0, 0}, 0, 0, nil) // SET_INTERFACE: stop the stream
	d.answer()
	if c.status().Streaming {
		t.Error("after the stream: got status streaming, want not streaming")
	}
}
