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

// vector is a stream of bytes and what a Reader makes of it. In testdata/vectors and in PROTOCOL.md it is written as
//
//	# why
//	hex:  bytes of the stream; "00*9" is nine of them; may be repeated
//	read: Ping {"T1": 1}         each message in order, its fields as JSON, times in nanoseconds
//	data: hex                    the data of the Frame just read; without it the data is not read
//	raw:  hex, or ErrBadData     what LZ4 makes of that data, or with it of the frame before
//	canonical: no                the messages, written again, are not the bytes of the stream
//	end:  EOF, or an error       what comes after the last message
//
// The files were made by another implementation of PROTOCOL.md than this package.
type vector struct {
	stream    []byte
	reads     []read
	canonical bool
	end       error
}

type read struct {
	message Message
	data    []byte // nil: not read
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
		// Of a message of its own, for a Reader's are shared.
		m := reflect.New(reflect.TypeOf(new(Reader).message(t)).Elem()).Interface().(Message)
		d := json.NewDecoder(strings.NewReader(fields))
		d.DisallowUnknownFields()
		return m, d.Decode(m)
	}
	return nil, fmt.Errorf("unknown message %q", name)
}

// run reads the stream and holds what comes to the vector.
func (v vector) run(t *testing.T, stream io.Reader) {
	t.Helper()
	r := NewReader(stream)
	var again, base []byte
	for i, want := range v.reads {
		got, err := r.Next()
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		if diff := cmp.Diff(want.message, got); diff != "" {
			t.Fatalf("message %d (-want +got):\n%s", i, diff)
		}
		again = v.readData(t, r, want, got, again, base)
		if base = want.raw; base == nil {
			base = want.data
		}
	}
	m, err := r.Next()
	if wantRaw := len(v.reads) > 0 && v.reads[len(v.reads)-1].rawErr != nil; wantRaw && v.end != io.EOF {
		t.Fatal("a vector has one fault")
	}
	if !errors.Is(err, v.end) {
		t.Fatalf("after the messages: %v, %v; want %v", m, err, v.end)
	}
	if protocol := errors.Is(err, ErrProtocol); protocol != (v.end != io.EOF && v.end != io.ErrUnexpectedEOF) {
		t.Errorf("%v: is it an ErrProtocol? %v", err, protocol)
	}
	if _, next := r.Next(); next != err {
		t.Errorf("the error %v is not final: then came %v", err, next)
	}
	if v.end == io.EOF && v.canonical && !bytes.Equal(again, v.stream) {
		t.Errorf("written again:\n got %x\nwant %x", again, v.stream)
	}
}

// readData reads a frame's data, if the vector has it, and writes the message again. base is the raw frame before it.
func (v vector) readData(t *testing.T, r *Reader, want read, got Message, again, base []byte) []byte {
	t.Helper()
	p, ok := got.(*Frame)
	if !ok {
		again, err := Append(again, got)
		if err != nil {
			t.Fatalf("writing it again: %v", err)
		}
		return again
	}
	again = AppendFrame(again, p)
	if want.data == nil {
		return again
	}
	data := make([]byte, p.Size)
	if err := r.Data(data); err != nil {
		t.Fatalf("data: %v", err)
	}
	if !bytes.Equal(data, want.data) {
		t.Fatalf("data %x, want %x", data, want.data)
	}
	if want.raw != nil || want.rawErr != nil {
		raw := make([]byte, p.RawSize())
		if err := new(LZ4).Decompress(raw, data); !errors.Is(err, want.rawErr) {
			t.Fatalf("unpacking: %v, want %v", err, want.rawErr)
		}
		if p.Codec == CodecYUYVDelta && want.rawErr == nil {
			diff := bytes.Clone(raw)
			Restore(raw, diff, base)
		}
		if want.rawErr == nil && !bytes.Equal(raw, want.raw) {
			t.Fatalf("unpacked %x, want %x", raw, want.raw)
		}
	}
	return append(again, data...)
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
			if len(v.stream) < 1<<20 { // byte by byte takes a while
				v.run(t, iotest.OneByteReader(bytes.NewReader(v.stream)))
				v.run(t, iotest.DataErrReader(bytes.NewReader(v.stream)))
			}
		})
	}
	for typ, name := range typeNames {
		if !seen[typ] {
			t.Errorf("no vector has a %s", name)
		}
	}
}

func specification(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestProtocolExample(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```vector\n(.*?)```").FindAllStringSubmatch(specification(t), -1)
	if len(blocks) < 6 {
		t.Fatalf("%d blocks in the example", len(blocks))
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
		t.Fatalf("%d Hellos in the example", len(hellos))
	}
	version, err := Agree(hellos[0], hellos[1])
	if err != nil || version != 1 {
		t.Errorf("they agree on %d, %v", version, err)
	}
	if diff := cmp.Diff([]string{"jpeg", "resume"}, CommonFeatures(hellos[0], hellos[1])); diff != "" {
		t.Errorf("features in force (-want +got):\n%s", diff)
	}
}

// Each fault in the specification has its vector, and each vector of a fault is in the specification.
func TestProtocolListsEveryFault(t *testing.T) {
	rows := regexp.MustCompile("(?m)^\\|.*\\| (Err\\w+) \\| `([a-z0-9-]+)` \\|$").FindAllStringSubmatch(specification(t), -1)
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
			t.Errorf("%s: listed as %q, is %v", name, listed[name], fault)
		}
		delete(listed, name)
	}
	for name := range listed {
		t.Errorf("%s is listed and not there, or no fault", name)
	}
}

// The numbers that are written down twice.
func TestProtocolNumbers(t *testing.T) {
	text := specification(t)
	for _, want := range []string{
		"ALPN `" + ALPN + "`",
		"| payload of any message but Frame | 65,536 bytes |",
		"| data of a frame; raw frame unpacked | 16,777,216 bytes |",
		"| name, software; feature; features | 64; 32 bytes; 32 |",
		"| text of Bye, End, State; of Text | 512; 2000 bytes |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("PROTOCOL.md does not say %q", want)
		}
	}
	for _, c := range []struct{ code, spec int }{
		{MaxControl, 65536}, {MaxFrame, 16777216}, {MaxName, 64}, {MaxFeature, 32}, {MaxFeatures, 32},
		{MaxReason, 512}, {MaxText, 2000},
	} {
		if c.code != c.spec {
			t.Errorf("a bound is %d in the code, %d in PROTOCOL.md", c.code, c.spec)
		}
	}
}
