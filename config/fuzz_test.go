package config

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// FuzzParse checks every file for this: Parse returns either a Config or
// faults, the same each time. Each fault is one line, not a message of the YAML
// library, and has a position inside the file.
func FuzzParse(f *testing.F) {
	for _, tt := range badFiles {
		f.Add([]byte(tt.file))
	}
	b, err := os.ReadFile(shipped)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(example.ReplaceAll(b, []byte("$1")))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse("f", b)
		again, errAgain := Parse("f", b)
		if diff := cmp.Diff(c, again, cmp.AllowUnexported(Config{})) + cmp.Diff(err, errAgain); diff != "" {
			t.Errorf("the second Parse differs: %s", diff)
		}
		if err == nil {
			if c == nil {
				t.Error("got neither a Config nor faults")
			}
			return
		}
		var faults Errors
		if c != nil || !errors.As(err, &faults) || len(faults) == 0 {
			t.Fatalf("got %v, %#v; want only faults", c, err)
		}
		lines := bytes.Split(bytes.TrimPrefix(b, []byte("\ufeff")), []byte("\n"))
		for _, fault := range faults {
			if fault.Line < 1 || fault.Line > len(lines) ||
				fault.Col < 1 || fault.Col > utf8.RuneCount(lines[fault.Line-1])+1 {
				t.Errorf("got a position outside the file: %v", fault)
			}
			fromYAML := strings.Contains(fault.Message, "yaml:") && !bytes.Contains(b, []byte("yaml:"))
			if strings.Contains(fault.Message, "\n") || fromYAML {
				t.Errorf("got several lines or a message of the YAML library: %v", fault)
			}
		}
		if !slices.IsSortedFunc(faults, func(a, b Fault) int {
			return comparePositions(position{a.Line, a.Col}, position{b.Line, b.Col})
		}) {
			t.Errorf("got unordered faults:\n%v", faults)
		}
	})
}

func comparePositions(a, b position) int {
	if a.line != b.line {
		return a.line - b.line
	}
	return a.col - b.col
}
