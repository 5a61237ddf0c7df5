package wire

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// vector is a stream of bytes with the expected results of a Reader. Its form
// in testdata/vectors and in PROTOCOL.md:
//
//	# comment
//	hex:  bytes of the stream; "00*9" is nine zeros; may be repeated
//	read: Ping {"T1": 1}      each message in order: JSON, times in ns
//	data: hex                 data of the last Frame; absent: not read
//	raw:  hex, or ErrBadData  the data decompressed and restored
//	canonical: no             encoding the messages gives another stream
//	end:  EOF, or an error    the result after the last message
//
// An independent implementation of PROTOCOL.md generated the files.
type vector struct {
	stream    []byte
	reads     []read
	canonical bool
	end       error
}

type read struct {
	message Message
	data    []byte // nil: Data is not called
	raw     []byte
	rawErr  error
}

var errorNames = map[string]error{
	"EOF": io.EOF, "ErrUnexpectedEOF": io.ErrUnexpectedEOF, "ErrTooLong": ErrTooLong, "ErrShort": ErrShort,
	"ErrBadType": ErrBadType, "ErrBadString": ErrBadString, "ErrBadValue": ErrBadValue, "ErrBadData": ErrBadData,
}

func parseVector(text string) (vector, error) {
	v := vector{canonical: true}
	for n, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		key, value, _ := strings.Cut(line, ":")
		if err := v.set(key, strings.TrimSpace(value)); err != nil {
			return v, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	if v.end == nil {
		return v, errors.New("no end")
	}
	return v, nil
}

func (v *vector) set(key, value string) (err error) {
	last := len(v.reads) - 1
	if (key == "data" || key == "raw") && last < 0 {
		return fmt.Errorf("%s before a message", key)
	}
	switch key {
	case "hex":
		var b []byte
		b, err = parseHex(value)
		v.stream = append(v.stream, b...)
	case "read":
		var m Message
		m, err = parseMessage(value)
		v.reads = append(v.reads, read{message: m})
	case "data":
		v.reads[last].data, err = parseHex(value)
	case "raw":
		if v.reads[last].rawErr = errorNames[value]; v.reads[last].rawErr == nil {
			v.reads[last].raw, err = parseHex(value)
		}
	case "canonical":
		v.canonical = value != "no"
	case "end":
		if v.end = errorNames[value]; v.end == nil {
			err = fmt.Errorf("unknown error %q", value)
		}
	default:
		err = fmt.Errorf("unknown key %q", key)
	}
	return err
}

func parseHex(s string) (b []byte, err error) {
	for _, word := range strings.Fields(s) {
		digits, times, repeated := strings.Cut(word, "*")
		n := 1
		if repeated {
			if n, err = strconv.Atoi(times); err != nil {
				return nil, err
			}
		}
		bits, err := hex.DecodeString(digits)
		if err != nil {
			return nil, err
		}
		b = append(b, bytes.Repeat(bits, n)...)
	}
	return b, nil
}

func parseMessage(s string) (Message, error) {
	name, fields, _ := strings.Cut(s, " ")
	for t, n := range typeNames {
		if n != name {
			continue
		}
		// A new message, because a Reader reuses its own.
		m := reflect.New(reflect.TypeOf(new(Reader).message(t)).Elem()).Interface().(Message)
		d := json.NewDecoder(strings.NewReader(fields))
		d.DisallowUnknownFields()
		return m, d.Decode(m)
	}
	return nil, fmt.Errorf("unknown message %q", name)
}

// UnmarshalText parses the call id of a vector.
func (id *CallID) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(id) {
		return fmt.Errorf("call id of %d characters", len(text))
	}
	_, err := hex.Decode(id[:], text)
	return err
}

// run reads the stream and compares the results with the vector.
func (v vector) run(t *testing.T, stream io.Reader) {
	t.Helper()
	r := NewReader(stream)
	var encoded, base []byte
	for i, want := range v.reads {
		got, err := r.Next()
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		if diff := cmp.Diff(want.message, got); diff != "" {
			t.Fatalf("message %d (-want +got):\n%s", i, diff)
		}
		encoded = v.readData(t, r, want, got, encoded, base)
		if base = want.raw; base == nil {
			base = want.data
		}
	}
	m, err := r.Next()
	if wantRaw := len(v.reads) > 0 && v.reads[len(v.reads)-1].rawErr != nil; wantRaw && v.end != io.EOF {
		t.Fatal("a vector must have one fault")
	}
	if !errors.Is(err, v.end) {
		t.Fatalf("after the messages: got %v, %v; want %v", m, err, v.end)
	}
	if protocol := errors.Is(err, ErrProtocol); protocol != (v.end != io.EOF && v.end != io.ErrUnexpectedEOF) {
		t.Errorf("%v: wraps ErrProtocol is %v, want %v", err, protocol, !protocol)
	}
	if _, next := r.Next(); next != err {
		t.Errorf("got %v after the error %v, want it again", next, err)
	}
	if v.end == io.EOF && v.canonical && !bytes.Equal(encoded, v.stream) {
		t.Errorf("encoded:\n got %x\nwant %x", encoded, v.stream)
	}
}

// readData appends the message to encoded. If the vector has the data of a
// frame, readData reads and checks it. base is the previous raw frame.
func (v vector) readData(t *testing.T, r *Reader, want read, got Message, encoded, base []byte) []byte {
	t.Helper()
	p, ok := got.(*Frame)
	if !ok {
		encoded, err := Append(encoded, got)
		if err != nil {
			t.Fatalf("encode: %v", err)
		}
		return encoded
	}
	encoded = AppendFrame(encoded, p)
	if want.data == nil {
		return encoded
	}
	data := make([]byte, p.Size)
	if err := r.Data(data); err != nil {
		t.Fatalf("read data: %v", err)
	}
	if !bytes.Equal(data, want.data) {
		t.Fatalf("got data %x, want %x", data, want.data)
	}
	if want.raw != nil || want.rawErr != nil {
		raw := make([]byte, p.RawSize())
		if err := new(LZ4).Decompress(raw, data); !errors.Is(err, want.rawErr) {
			t.Fatalf("decompress: got %v, want %v", err, want.rawErr)
		}
		if p.Codec == CodecYUYVDelta && want.rawErr == nil {
			diff := bytes.Clone(raw)
			Restore(raw, diff, base)
		}
		if want.rawErr == nil && !bytes.Equal(raw, want.raw) {
			t.Fatalf("decompressed: got %x, want %x", raw, want.raw)
		}
	}
	return append(encoded, data...)
}

func vectorFiles(t testing.TB) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("testdata/vectors/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no vectors (%v)", err)
	}
	files := make(map[string]string)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimSuffix(filepath.Base(path), ".txt")] = string(text)
	}
	return files
}

func TestVectors(t *testing.T) {
	seen := make(map[Type]bool)
	for name, text := range vectorFiles(t) {
		v, err := parseVector(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, r := range v.reads {
			seen[r.message.Type()] = true
		}
		t.Run(name, func(t *testing.T) {
			v.run(t, bytes.NewReader(v.stream))
			if len(v.stream) < 1<<20 { // byte by byte is slow
				v.run(t, iotest.OneByteReader(bytes.NewReader(v.stream)))
				v.run(t, iotest.DataErrReader(bytes.NewReader(v.stream)))
			}
		})
	}
	for typ, name := range typeNames {
		if !seen[typ] {
			t.Errorf("%s: got no vector, want at least one", name)
		}
	}
}

func specification(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	ours, _, _ := strings.Cut(string(text), "\n## 13. Pairing\n") // package pairing tests the rest
	return ours
}

func TestProtocol_example(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```vector\n(.*?)```").FindAllStringSubmatch(specification(t), -1)
	if len(blocks) < 6 {
		t.Fatalf("got %d blocks in the example, want at least 6", len(blocks))
	}
	var hellos []Hello
	for i, block := range blocks {
		v, err := parseVector(block[1])
		if err != nil {
			t.Fatalf("block %d: %v", i, err)
		}
		v.run(t, bytes.NewReader(v.stream))
		if h, ok := v.reads[0].message.(*Hello); ok {
			hellos = append(hellos, *h)
		}
	}
	if len(hellos) != 2 {
		t.Fatalf("got %d Hellos in the example, want 2", len(hellos))
	}
	version, err := Agree(hellos[0], hellos[1])
	if err != nil || version != 1 {
		t.Errorf("Agree: got %d, %v; want 1", version, err)
	}
	if diff := cmp.Diff([]string{"jpeg", "resume"}, CommonFeatures(hellos[0], hellos[1])); diff != "" {
		t.Errorf("features in force (-want +got):\n%s", diff)
	}
}

// Each fault in PROTOCOL.md has a vector, and each vector with a fault is
// listed in PROTOCOL.md.
func TestProtocol_faults(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\|.*\\| (Err\\w+) \\| `([a-z0-9-]+)` \\|$")
	rows := row.FindAllStringSubmatch(specification(t), -1)
	listed := make(map[string]string)
	for _, row := range rows {
		listed[row[2]] = row[1]
	}
	files := vectorFiles(t)
	for name, text := range files {
		v, err := parseVector(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		fault := v.end
		for _, r := range v.reads {
			if r.rawErr != nil {
				fault = r.rawErr
			}
		}
		if !errors.Is(fault, ErrProtocol) {
			continue
		}
		if got := errorNames[listed[name]]; got != fault {
			t.Errorf("%s: got %v, want %q as listed", name, fault, listed[name])
		}
		delete(listed, name)
	}
	for name := range listed {
		t.Errorf("%s: got no vector with a fault, want one, as it is listed", name)
	}
}

// The constants of this package equal the numbers in PROTOCOL.md.
func TestProtocol_limits(t *testing.T) {
	text := specification(t)
	for _, want := range []string{
		"ALPN `" + ALPN + "`",
		"| payload of any message but Frame | 65,536 bytes |",
		"| data of a frame; raw frame unpacked | 16,777,216 bytes |",
		"| name, software; feature; features | 64; 32 bytes; 32 |",
		"| text of Bye, End, State; of Text | 512; 2000 bytes |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("PROTOCOL.md does not contain %q", want)
		}
	}
	for _, c := range []struct{ code, spec int }{
		{MaxControl, 65536}, {MaxFrame, 16777216}, {MaxName, 64}, {MaxFeature, 32}, {MaxFeatures, 32},
		{MaxReason, 512}, {MaxText, 2000},
	} {
		if c.code != c.spec {
			t.Errorf("limit: got %d, want %d as in PROTOCOL.md", c.code, c.spec)
		}
	}
}
