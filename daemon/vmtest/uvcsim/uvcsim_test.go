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

// walk splits a configuration descriptor by the lengths in it.
func walk(t *testing.T, b []byte) [][]byte {
	t.Helper()
	var out [][]byte
	for len(b) > 0 {
		if n := int(b[0]); n < 2 || n > len(b) {
			t.Fatalf("descriptor of length %d with %d bytes left", n, len(b))
		} else {
			out, b = append(out, b[:n]), b[n:]
		}
	}
	return out
}

func TestConfigurationDescriptorAddsUp(t *testing.T) {
	b := configurationDescriptor()
	if n := int(binary.LittleEndian.Uint16(b[2:])); n != len(b) {
		t.Errorf("wTotalLength %d, has %d bytes", n, len(b))
	}
	frames := map[byte]int{}
	for _, d := range walk(t, b) {
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
				t.Errorf("frame descriptor % x: %d intervals in %d bytes", d, n, len(d))
			}
		}
	}
	if want := map[byte]int{7: len(modes(formatMJPEG)), 5: len(modes(formatYUYV))}; !cmp.Equal(frames, want) {
		t.Errorf("frame descriptors by subtype %v, want %v", frames, want)
	}
}

func TestProbeIsFixed(t *testing.T) {
	ask := func(format, frame byte, interval uint32) probe {
		p := make(probe, probeSize)
		p[2], p[3] = format, frame
		binary.LittleEndian.PutUint32(p[4:], interval)
		return p
	}
	for name, tt := range map[string]struct {
		ask  probe
		w, h int
		fps  int
	}{
		"nothing asked":     {ask(0, 0, 0), 1280, 720, 30},
		"too short":         {probe{}, 1280, 720, 30},
		"as it has it":      {ask(formatMJPEG, 3, 666666), 640, 480, 15},
		"a rate in between": {ask(formatMJPEG, 1, 10_000_000/26), 1280, 720, 25},
		"unknown frame":     {ask(formatYUYV, 99, 0), 640, 480, 30},
		"unknown format":    {ask(9, 1, 0), 1280, 720, 30},
	} {
		got := tt.ask.fixed()
		if m := got.mode(); m.w != tt.w || m.h != tt.h || got.interval() != interval(tt.fps) {
			t.Errorf("%s: %dx%d every %d, want %dx%d every %d", name, m.w, m.h, got.interval(), tt.w, tt.h, interval(tt.fps))
		}
	}
}

func TestFaults(t *testing.T) {
	whole, little := testframe.New(64, 48).Frame(nil, testframe.Stamp{Camera: 1}), testframe.New(16, 16).Frame(nil, testframe.Stamp{})
	spoil := func(f *faults, sequence uint32) []byte {
		return f.spoil(bytes.Clone(whole), func() []byte { return little }, sequence)
	}
	decodes := func(b []byte) bool { _, err := jpeg.Decode(bytes.NewReader(b)); return err == nil }
	for name, want := range map[string]struct{ same, decodes bool }{
		"trunc": {}, "garbage": {}, "notables": {}, "tiny": {}, "freeze": {true, true}, "hang": {true, true}, "small": {false, true},
	} {
		var f faults
		if err := f.byName()[name].set("2"); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(spoil(&f, 3), whole) {
			t.Errorf("%s: changed frame 3 of every second one", name)
		}
		got := spoil(&f, 4)
		if bytes.Equal(got, whole) != want.same || decodes(got) != want.decodes {
			t.Errorf("%s: same %v, decodes %v; want %+v", name, bytes.Equal(got, whole), decodes(got), want)
		}
		f.reset()
		if !bytes.Equal(spoil(&f, 4), whole) {
			t.Errorf("%s: after a reset the frame is still changed", name)
		}
	}
}

func TestMixedFaults(t *testing.T) {
	var f faults
	if err := f.mixed.set("87%"); err != nil {
		t.Fatal(err)
	}
	whole := testframe.New(64, 48).Frame(nil, testframe.Stamp{})
	little := testframe.New(16, 16).Frame(nil, testframe.Stamp{})
	good, kinds := 0, map[string]int{}
	for sequence := range uint32(1000) {
		got := f.spoil(bytes.Clone(whole), func() []byte { return little }, sequence)
		if bytes.Equal(got, whole) {
			good++
		} else {
			kinds[string(got)]++
		}
	}
	if good != 130 || len(kinds) != 4 {
		t.Errorf("%d good ones of 1000 and %d kinds of broken ones, want 130 and 4", good, len(kinds))
	}
	for _, word := range []string{"", "0", "-1", "101%", "x%", "1e3"} {
		if err := f.mixed.set(word); err == nil {
			t.Errorf("set(%q) was accepted", word)
		}
	}
}

func TestFreePort(t *testing.T) {
	const table = "hub port sta spd dev      sockfd local_busid\n" +
		"hs  0000 006 003 00010002 000005 3-1\nhs  0001 004 000 00000000 000000 0-0\nss  0008 004 000 00000000 000000 0-0\n"
	if n, err := freePort(table); n != 1 || err != nil {
		t.Errorf("freePort = %d, %v; want 1", n, err)
	}
	if _, err := freePort(strings.ReplaceAll(table, "hs  0001 004", "hs  0001 006")); !errors.Is(err, errNoPort) {
		t.Errorf("freePort = %v, want errNoPort", err)
	}
}

// A driver is the kernel's end of the cable.
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

// answer reads one RET_SUBMIT or RET_UNLINK.
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

func TestSessionSendsWholeFrames(t *testing.T) {
	c := newCamera(5, "Camera", "S1")
	d := plugIn(t, c)
	d.submit(true, 0, []byte{0x80, 6, 2, 3, 9, 4, 255, 0}, 255, 0, nil) // the product's name
	if _, data, _ := d.answer(); !bytes.Equal(data, stringDescriptor([]string{"Camera"}, 1)) {
		t.Errorf("product % x", data)
	}
	d.submit(true, 0, []byte{0xa1, getCur, 0, 9, 0, 2, 2, 0}, 2, 0, nil)
	if status, _, _ := d.answer(); status != statusStall {
		t.Errorf("unknown control: status %d, want a stall", status)
	}
	d.submit(false, 0, []byte{0x01, 11, 1, 0, 1, 0, 0, 0}, 0, 0, nil) // SET_INTERFACE: stream
	d.answer()

	var got []byte // the payloads of the first frame, without their headers
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
			t.Fatalf("transfer: status %d, %d packets", status, n)
		}
		for len(data) > 0 && !ended {
			n := min(packetSize, len(data))
			ended = data[1]&payloadEnd != 0
			got, data = append(got, data[2:n]...), data[n:]
		}
	}
	st, err := testframe.ParseStamp(got)
	if err != nil || st.Camera != 5 || st.Sequence != 0 {
		t.Fatalf("stamp %+v, %v; want camera 5, sequence 0", st, err)
	}
	if want := testframe.New(1280, 720).Frame(nil, st); !bytes.Equal(got, want) {
		t.Errorf("the payloads make %d bytes, want the frame's %d", len(got), len(want))
	}
	if !c.status().Streaming {
		t.Error("status says that it does not stream")
	}
	d.submit(false, 0, []byte{0x01, 11, 0, 0, 1, 0, 0, 0}, 0, 0, nil)
	d.answer()
	if c.status().Streaming {
		t.Error("status says that it streams after the stream's end")
	}
}
