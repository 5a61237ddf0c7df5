package wire

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func mustAppend(t testing.TB, dst []byte, messages ...Message) []byte {
	t.Helper()
	for _, m := range messages {
		var err error
		if dst, err = Append(dst, m); err != nil {
			t.Fatal(err)
		}
	}
	return dst
}

func testFrame(data []byte) *Frame {
	return &Frame{Seq: 9, Captured: time.Second, Width: 1280, Height: 720, Codec: CodecJPEG, Size: len(data)}
}

// A writer holds to the same rules as a reader: what Append refuses, no Reader would take.
func TestAppendRefuses(t *testing.T) {
	hello := func(change func(*Hello)) *Hello {
		h := &Hello{VersionMin: 1, VersionMax: 1, Name: "a", Features: []string{FeatureJPEG}}
		change(h)
		return h
	}
	call := CallID{1}
	for _, c := range []struct {
		name string
		m    Message
		want error
	}{
		{"name", hello(func(h *Hello) { h.Name = strings.Repeat("x", MaxName+1) }), ErrTooLong},
		{"versions", hello(func(h *Hello) { h.VersionMin = 2 }), ErrBadValue},
		{"many features", hello(func(h *Hello) { h.Features = make([]string, 300) }), ErrTooLong},
		{"feature", hello(func(h *Hello) { h.Features = []string{"a b"} }), ErrBadString},
		{"text of Bye", &Bye{Text: "a\x00"}, ErrBadString},
		{"text of 70000 bytes, whose length would not fit", &Text{Text: strings.Repeat("x", 70000)}, ErrTooLong},
		{"time", &Ping{T1: -1}, ErrBadValue},
		{"Pong", &Pong{T1: 1, T2: 3, T3: 2}, ErrBadValue},
		{"no call", &Invite{}, ErrBadValue},
		{"reason", &End{Call: call, Text: "\xff"}, ErrBadString},
		{"state", &State{Since: -1}, ErrBadValue},
		{"feedback", &Feedback{Delay: -1}, ErrBadValue},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := []byte("before")
			after, err := Append(before, c.m)
			if !errors.Is(err, c.want) || !errors.Is(err, ErrProtocol) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if string(after) != "before" {
				t.Errorf("wrote %q", after)
			}
		})
	}
	if _, err := Append(nil, testFrame([]byte{1})); err == nil || errors.Is(err, ErrProtocol) {
		t.Errorf("a Frame without its data: %v", err)
	}
}

func TestData(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 5000)
	p := testFrame(data)
	stream := append(AppendFrame(nil, p), data...)
	stream = append(AppendFrame(stream, p), data...)
	stream = mustAppend(t, stream, &Ping{T1: 1})

	r := NewReader(iotest.HalfReader(bytes.NewReader(stream)))
	m, err := r.Next()
	if diff := cmp.Diff(Message(p), m); err != nil || diff != "" {
		t.Fatalf("%v, (-want +got):\n%s", err, diff)
	}
	got := make([]byte, len(data))
	if err := r.Data(got[1:]); err == nil || errors.Is(err, ErrProtocol) {
		t.Errorf("data into too little room: %v", err)
	}
	if err := r.Data(got); err != nil || !bytes.Equal(got, data) {
		t.Errorf("data: %v, the same: %v", err, bytes.Equal(got, data))
	}
	if err := r.Data(got); err == nil {
		t.Error("the same data can be read twice")
	}
	if err := r.Skip(); err != nil {
		t.Errorf("nothing left to skip: %v", err)
	}
	if m, err = r.Next(); err != nil || m.Type() != TypeFrame {
		t.Fatalf("second frame: %v, %v", m, err)
	}
	if err := r.Skip(); err != nil {
		t.Fatal(err)
	}
	if m, err = r.Next(); err != nil || m.Type() != TypePing {
		t.Errorf("behind the skipped frame: %v, %v", m, err)
	}
}

// The stream's own error, a deadline above all, comes through as it is and is final.
func TestStreamErrors(t *testing.T) {
	data := []byte("data")
	frame := append(AppendFrame(nil, testFrame(data)), data...)
	for _, c := range []struct {
		name string
		head []byte
	}{
		{"between messages", nil},
		{"in a header", frame[:3]},
		{"in the fields", frame[:20]},
		{"in the data", frame[:len(frame)-1]},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := NewReader(io.MultiReader(bytes.NewReader(c.head), iotest.ErrReader(os.ErrDeadlineExceeded)))
			for range 3 {
				_, err := r.Next()
				if err == nil {
					err = r.Data(make([]byte, len(data)))
				}
				if !errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, ErrProtocol) {
					t.Errorf("got %v", err)
				}
			}
		})
	}
}

// endless gives one message over and over, without taking memory.
type endless struct {
	b  []byte
	at int
}

func (e *endless) Read(p []byte) (n int, err error) {
	n = copy(p, e.b[e.at:])
	e.at = (e.at + n) % len(e.b)
	return n, nil
}

func often(t testing.TB) map[string][]byte {
	data := bytes.Repeat([]byte{7}, 100_000)
	delta := testFrame(data)
	delta.Codec, delta.Base = CodecYUYVDelta, 8
	return map[string][]byte{
		"Ping":     mustAppend(t, nil, &Ping{T1: 1}),
		"Pong":     mustAppend(t, nil, &Pong{T1: 1, T2: 2, T3: 3}),
		"Feedback": mustAppend(t, nil, &Feedback{Seq: 1}),
		"Frame":    append(AppendFrame(nil, testFrame(data)), data...),
		"delta":    append(AppendFrame(nil, delta), data...),
		"unknown":  append([]byte{0x7f, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3}, mustAppend(t, nil, &Ping{})...),
	}
}

func readOne(t testing.TB, r *Reader, room []byte) {
	m, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := m.(*Frame); ok {
		if err := r.Data(room[:p.Size]); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReaderAllocatesNothing(t *testing.T) {
	room := make([]byte, 100_000)
	for name, stream := range often(t) {
		r := NewReader(&endless{b: stream})
		if n := testing.AllocsPerRun(100, func() { readOne(t, r, room) }); n != 0 {
			t.Errorf("%s: %v allocations a message", name, n)
		}
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	p, f := testFrame([]byte{1}), &Feedback{Seq: 1}
	buf := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() { buf = AppendFrame(buf[:0], p) }); n != 0 {
		t.Errorf("Frame: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { buf, _ = Append(buf[:0], f) }); n != 0 {
		t.Errorf("Feedback: %v allocations", n)
	}
}

func BenchmarkReader(b *testing.B) {
	room := make([]byte, 100_000)
	for name, stream := range often(b) {
		b.Run(name, func(b *testing.B) {
			r := NewReader(&endless{b: stream})
			b.ReportAllocs()
			b.SetBytes(int64(len(stream)))
			for b.Loop() {
				readOne(b, r, room)
			}
		})
	}
}

func TestPong_Measure(t *testing.T) {
	const huge = time.Duration(math.MaxInt64)
	for _, c := range []struct {
		name        string
		pong        Pong
		t4          time.Duration
		rtt, offset time.Duration
		ok          bool
	}{
		{"the specification's example", Pong{1e9, 7e9, 7_000_020_000}, 1_000_320_000, 300 * time.Microsecond, 5_999_850_000, true},
		{"the other clock is behind", Pong{9e9, 1e9, 1e9}, 9e9 + 2e6, 2 * time.Millisecond, -8e9 - 1e6, true},
		{"no time passed", Pong{5, 5, 5}, 5, 0, 0, true},
		{"the other clock is at its end", Pong{0, huge, huge}, 0, 0, huge/2 + huge/2, true},
		{"ours is", Pong{huge, 0, 0}, huge, 0, -huge/2 - huge/2, true},
		{"held for longer than the round trip", Pong{1, 10, 20}, 5, 0, 0, false},
		{"there before it was asked for", Pong{10, 1, 1}, 9, 0, 0, false},
		{"a negative time", Pong{-1, 1, 1}, 9, 0, 0, false},
		{"the widest contradiction", Pong{0, 0, huge}, 0, 0, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			rtt, offset, ok := c.pong.Measure(c.t4)
			if rtt != c.rtt || offset != c.offset || ok != c.ok {
				t.Errorf("got %v, %v, %v; want %v, %v, %v", rtt, offset, ok, c.rtt, c.offset, c.ok)
			}
		})
	}
}

func TestCallIDText(t *testing.T) {
	id := CallID{0: 0xab, 15: 1}
	text, err := id.MarshalText()
	if err != nil || string(text) != "ab000000000000000000000000000001" {
		t.Fatalf("%s, %v", text, err)
	}
	var again CallID
	if err := again.UnmarshalText(text); err != nil || again != id {
		t.Errorf("%v, %v", again, err)
	}
	for _, bad := range []string{"", "ab", string(text) + "00", strings.Repeat("g", 32)} {
		if err := again.UnmarshalText([]byte(bad)); err == nil || again != id {
			t.Errorf("%q: %v, and the id is %v", bad, err, again)
		}
	}
	if id.Compare(CallID{0: 0xac}) >= 0 || id.Compare(id) != 0 || id.Compare(CallID{15: 0xff}) <= 0 {
		t.Error("ids are not ordered byte by byte")
	}
}

func TestUnknownValuesHaveWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Reason(200).String(), "ended (reason 200)"},
		{Code(200).String(), "code 200"},
		{CameraState(200).String(), "state 200"},
		{Codec(200).String(), "codec 200"},
		{Type(0x7f).String(), "type 0x7f"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestClean(t *testing.T) {
	for _, c := range []struct {
		in    string
		limit int
		want  string
	}{
		{"No such device", 20, "No such device"},
		{"a\x00b\n\x1b[2J\u009b", 20, "a b  [2J "},
		{"caf\xe9", 20, "caf\uFFFD"},
		{"grüße", 3, "gr"},
		{"grüße", 4, "grü"},
		{"\xff", 2, ""},
		{"abc", 0, ""},
	} {
		got := Sanitize(c.in, c.limit)
		if got != c.want {
			t.Errorf("Sanitize(%q, %d) = %q, want %q", c.in, c.limit, got, c.want)
		}
		if err := checkString("text", got, c.limit); err != nil {
			t.Errorf("Sanitize(%q, %d): %v", c.in, c.limit, err)
		}
	}
}
