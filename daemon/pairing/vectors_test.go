package pairing

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
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// The vectors have the form of those in daemon/wire. An independent
// implementation of PROTOCOL.md generated them.

// vector is a file as its keys and values, in order.
type vector []struct{ key, value string }

func (v vector) get(key string) (value string) {
	for _, line := range v {
		if line.key == key {
			value += line.value
		}
	}
	return value
}

func (v vector) hash(t *testing.T, key string) (h Hash) {
	t.Helper()
	b, err := hex.DecodeString(v.get(key))
	if err != nil || len(b) != len(h) {
		t.Fatalf("%s: %d bytes, %v", key, len(b), err)
	}
	copy(h[:], b)
	return h
}

func (v vector) stream(t testing.TB) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(v.get("hex"), " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readVectors(t testing.TB) map[string]vector {
	t.Helper()
	paths, err := filepath.Glob("testdata/vectors/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no vectors (%v)", err)
	}
	all := map[string]vector{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var v vector
		for line := range strings.Lines(string(text)) {
			if key, value, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, "#") {
				v = append(v, struct{ key, value string }{key, strings.TrimSpace(value)})
			}
		}
		all[strings.TrimSuffix(filepath.Base(path), ".txt")] = v
	}
	return all
}

var errorNames = map[string]error{
	"EOF": io.EOF, "ErrUnexpectedEOF": io.ErrUnexpectedEOF, "ErrBadType": ErrBadType, "ErrLength": ErrLength,
	"ErrBadName": ErrBadName, "ErrBadReason": ErrBadReason,
}

// UnmarshalText parses a hash of a vector.
func (h *Hash) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(h) {
		return fmt.Errorf("hash of %d characters", len(text))
	}
	_, err := hex.Decode(h[:], text)
	return err
}

func parseMessage(t *testing.T, s string) Message {
	t.Helper()
	name, fields, _ := strings.Cut(s, " ")
	for _, m := range []Message{Request{}, Commitment{}, Nonce{}, Confirm{}, Done{}, Refuse{}} {
		if reflect.TypeOf(m).Name() != name {
			continue
		}
		into := reflect.New(reflect.TypeOf(m))
		if err := json.Unmarshal([]byte(fields), into.Interface()); err != nil {
			t.Fatal(err)
		}
		return into.Elem().Interface().(Message)
	}
	t.Fatalf("unknown message %q", s)
	return nil
}

func TestVectors_codes(t *testing.T) {
	n := 0
	for name, v := range readVectors(t) {
		if !strings.HasPrefix(name, "code-") {
			continue
		}
		n++
		t.Run(name, func(t *testing.T) {
			b := binding{exporter: v.hash(t, "exporter")}
			b.initiator, b.responder = [32]byte(v.hash(t, "initiator")), [32]byte(v.hash(t, "responder"))
			i, r, want := v.hash(t, "nonce_i"), v.hash(t, "nonce_r"), v.hash(t, "commitment")
			if got := b.commitment(r); got != want {
				t.Errorf("commitment: got %x, want %x", got, want)
			}
			if !b.opens(want, r) {
				t.Error("the nonce does not open its commitment")
			}
			if r[0]++; b.opens(want, r) {
				t.Error("another nonce opens the commitment")
			}
			r[0]--
			if got, want := b.code(i, r).String(), v.get("code"); got != want {
				t.Errorf("code: got %q, want %q", got, want)
			}
		})
	}
	if n < 4 {
		t.Errorf("got %d vectors of codes, want at least 4", n)
	}
}

func TestVectors_messages(t *testing.T) {
	for name, v := range readVectors(t) {
		if strings.HasPrefix(name, "code-") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			stream := v.stream(t)
			for _, in := range []io.Reader{bytes.NewReader(stream), iotest.OneByteReader(bytes.NewReader(stream)),
				iotest.DataErrReader(bytes.NewReader(stream))} {
				readVector(t, v, NewReader(in), stream)
			}
		})
	}
}

func readVector(t *testing.T, v vector, r *Reader, stream []byte) {
	t.Helper()
	var encoded []byte
	for _, line := range v {
		if line.key != "read" {
			continue
		}
		got, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(parseMessage(t, line.value), got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		encoded = Append(encoded, got)
	}
	want := errorNames[v.get("end")]
	_, err := r.Next()
	if want == nil || !errors.Is(err, want) {
		t.Fatalf("at the end: got %v, want %v", err, v.get("end"))
	}
	if _, again := r.Next(); again != err {
		t.Errorf("after the error %v: got %v, want it again", err, again)
	}
	if want == io.EOF && !bytes.Equal(encoded, stream) {
		t.Errorf("encoded: got %x, want %x", encoded, stream)
	}
}

// Each fault in PROTOCOL.md has a vector, and each vector with a fault is
// listed in PROTOCOL.md.
func TestVectors_faults(t *testing.T) {
	text, err := os.ReadFile("../wire/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## 13. Pairing\n")
	if !ok {
		t.Fatal("PROTOCOL.md has no section 13")
	}
	listed := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\|.*\\| (Err\\w+) \\| `([a-z0-9-]+)` \\|$").
		FindAllStringSubmatch(section, -1) {
		listed[row[2]] = row[1]
	}
	for name, v := range readVectors(t) {
		if end := v.get("end"); errors.Is(errorNames[end], ErrProtocol) {
			if listed[name] != end {
				t.Errorf("%s: got %s, want %q as listed", name, end, listed[name])
			}
			delete(listed, name)
		}
	}
	for name := range listed {
		t.Errorf("%s is listed, but there is no vector", name)
	}
}
