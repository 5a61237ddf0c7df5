package wire

import (
	"bytes"
	"errors"
	"fmt"
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

// Append validates like a Reader.
func TestAppend_invalid(t *testing.T) {
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
		{"text longer than its length field", &Text{Text: strings.Repeat("x", 70000)}, ErrTooLong},
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
				t.Errorf("got %q, want dst unchanged", after)
			}
		})
	}
	if _, err := Append(nil, testFrame([]byte{1})); err == nil || errors.Is(err, ErrProtocol) {
		t.Errorf("Append of a Frame: got %v, want an error other than ErrProtocol", err)
	}
}

func TestReader_Data(t *testing.T) {
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
		t.Errorf("Data with a short buffer: got %v, want an error other than ErrProtocol", err)
	}
	if err := r.Data(got); err != nil || !bytes.Equal(got, data) {
		t.Errorf("Data: got %v, equal: %v", err, bytes.Equal(got, data))
	}
	if err := r.Data(got); err == nil {
		t.Error("second Data: got nil, want an error")
	}
	if err := r.Skip(); err != nil {
		t.Errorf("Skip without data: got %v, want nil", err)
	}
	if m, err = r.Next(); err != nil || m.Type() != TypeFrame {
		t.Fatalf("second frame: got %v, %v", m, err)
	}
	if err := r.Skip(); err != nil {
		t.Fatal(err)
	}
	if m, err = r.Next(); err != nil || m.Type() != TypePing {
		t.Errorf("after Skip: got %v, %v; want Ping", m, err)
	}
}

// An error of the stream, such as a deadline, is returned unchanged and is
// final.
func TestReader_streamError(t *testing.T) {
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
					t.Errorf("got %v, want ErrDeadlineExceeded", err)
				}
			}
		})
	}
}

// repeatReader is an endless stream of one message. It allocates nothing.
type repeatReader struct {
	b  []byte
	at int
}

func (e *repeatReader) Read(p []byte) (n int, err error) {
	n = copy(p, e.b[e.at:])
	e.at = (e.at + n) % len(e.b)
	return n, nil
}

func frequentMessages(t testing.TB) map[string][]byte {
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

func readOne(t testing.TB, r *Reader, buf []byte) {
	m, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := m.(*Frame); ok {
		if err := r.Data(buf[:p.Size]); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReader_allocations(t *testing.T) {
	buf := make([]byte, 100_000)
	for name, stream := range frequentMessages(t) {
		t.Run(name, func(t *testing.T) {
			r := NewReader(&repeatReader{b: stream})
			if n := testing.AllocsPerRun(100, func() { readOne(t, r, buf) }); n != 0 {
				t.Errorf("got %v allocations per message, want 0", n)
			}
		})
	}
}

func TestAppend_allocations(t *testing.T) {
	p, f := testFrame([]byte{1}), &Feedback{Seq: 1}
	buf := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() { buf = AppendFrame(buf[:0], p) }); n != 0 {
		t.Errorf("Frame: got %v allocations, want 0", n)
	}
	if n := testing.AllocsPerRun(100, func() { buf, _ = Append(buf[:0], f) }); n != 0 {
		t.Errorf("Feedback: got %v allocations, want 0", n)
	}
}

func BenchmarkReader(b *testing.B) {
	buf := make([]byte, 100_000)
	for name, stream := range frequentMessages(b) {
		b.Run(name, func(b *testing.B) {
			r := NewReader(&repeatReader{b: stream})
			b.ReportAllocs()
			b.SetBytes(int64(len(stream)))
			for b.Loop() {
				readOne(b, r, buf)
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
		{"the specification's example", Pong{1e9, 7e9, 7_000_020_000}, 1_000_320_000, 300 * time.Microsecond,
			5_999_850_000, true},
		{"the other clock is behind", Pong{9e9, 1e9, 1e9}, 9e9 + 2e6, 2 * time.Millisecond, -8e9 - 1e6, true},
		{"zero times", Pong{5, 5, 5}, 5, 0, 0, true},
		{"the other clock at its maximum", Pong{0, huge, huge}, 0, 0, huge/2 + huge/2, true},
		{"our clock at its maximum", Pong{huge, 0, 0}, huge, 0, -huge/2 - huge/2, true},
		{"T3 - T2 above T4 - T1", Pong{1, 10, 20}, 5, 0, 0, false},
		{"arrival before T1", Pong{10, 1, 1}, 9, 0, 0, false},
		{"a negative time", Pong{-1, 1, 1}, 9, 0, 0, false},
		{"largest contradiction", Pong{0, 0, huge}, 0, 0, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			rtt, offset, ok := c.pong.Measure(c.t4)
			if rtt != c.rtt || offset != c.offset || ok != c.ok {
				t.Errorf("got %v, %v, %v; want %v, %v, %v", rtt, offset, ok, c.rtt, c.offset, c.ok)
			}
		})
	}
}

func TestString_unknownValues(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Reason(200).String(), "ended (reason 200)"},
		{Code(200).String(), "code 200"},
		{CameraState(200).String(), "state 200"},
		{Codec(200).String(), "codec 200"},
		{Type(0x7f).String(), "type 0x7f"},
	} {
		t.Run(c.want, func(t *testing.T) {
			if c.got != c.want {
				t.Errorf("got %q, want %q", c.got, c.want)
			}
		})
	}
}

func TestSanitize(t *testing.T) {
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
		t.Run(fmt.Sprintf("%q %d", c.in, c.limit), func(t *testing.T) {
			got := Sanitize(c.in, c.limit)
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if err := checkString("text", got, c.limit); err != nil {
				t.Errorf("got a text with error %v, want a valid one", err)
			}
		})
	}
}

// What a peer must not get into a terminal, a log, a page or a file name.
func TestClean(t *testing.T) {
	zalgo := "z" + strings.Repeat("\u0336\u0489", 500)
	for _, c := range []struct{ name, in, want string }{
		{"plain", "hung up", "hung up"},
		{"other scripts", "grüße 你好 नमस्ते", "grüße 你好 नमस्ते"},
		{"C1 controls", "a\u009b31mb\u0085c", "a 31mb c"},
		{"escape", "\x1b]0;title\x07", " ]0;title "},
		{"bidirectional overrides", "\u202dgpj\u202e.exe\u202a\u202b\u202c", "gpj.exe"},
		{"bidirectional isolates", "\u2066a\u2067b\u2068c\u2069", "abc"},
		{"bidirectional marks", "\u200ea\u200fb\u061c", "ab"},
		{"zero-width characters", "a\u200bb\u200cc\u200dd\u2060e\ufefff", "abcdef"},
		{"invisible operators", "a\u2061\u2062\u2063\u2064\u206ab", "ab"},
		{"tags", "a\U000e0001\U000e0041\U000e007fb", "ab"},
		{"bytes hidden in variation selectors", "a\ufe00\U000e0100\U000e01efb", "ab"},
		{"fillers", "a\u115f\u1160\u3164\uffa0\u034f\u00ad\u180eb", "ab"},
		{"interlinear annotation", "a\ufff9b\ufffac\ufffb", "abc"},
		{"separators", "a\u2028b\u2029c", "a b c"},
		{"spaces", "a\u00a0b\u3000c\u202fd\u2800e", "a b c d e"},
		{"private and non-characters", "\ue000\uffff\U0010ffff", "\ufffd\ufffd\ufffd"},
		{"combining marks", zalgo, "z" + strings.Repeat("\u0336\u0489", 2)},
		{"combining marks with a joiner between", strings.Repeat("\u0336\u200d", 9) + "x", "x"},
		{"combining marks that begin again", strings.Repeat("e\u0301", 9), strings.Repeat("e\u0301", 9)},
		{"combining mark at the start", "\u0308\u0336x", "x"},
		{"family", "👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"},
		{"heart, keycap", "❤\ufe0f 1\ufe0f\u20e3", "❤\ufe0f 1\ufe0f\u20e3"},
		{"skin and profession", "👩🏽\u200d⚕\ufe0f", "👩🏽\u200d⚕\ufe0f"},
		{"joiners around emoji", "\u200d👍\u200d\u200d👍\u200d", "👍\u200d👍"},
		{"repeated selectors", "❤\ufe0f\ufe0f\ufe0e", "❤\ufe0f"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := clean(c.in, "")
			if got != c.want {
				t.Errorf("got %+q, want %+q", got, c.want)
			}
			if again := clean(got, ""); again != got {
				t.Errorf("cleaned again: got %+q, want %+q", again, got)
			}
		})
	}
}
