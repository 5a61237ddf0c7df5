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

// FuzzParse holds what is true of every file: it gives either a Config or faults, the same each time, and each fault
// is one line in our own words at a place that the file has.
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
		if diff := cmp.Diff(c, again) + cmp.Diff(err, errAgain); diff != "" {
			t.Errorf("read twice: %s", diff)
		}
		if err == nil {
			if c == nil {
				t.Error("neither a Config nor faults")
			}
			return
		}
		var faults Errors
		if c != nil || !errors.As(err, &faults) || len(faults) == 0 {
			t.Fatalf("Parse = %v, %#v", c, err)
		}
		lines := bytes.Split(bytes.TrimPrefix(b, []byte("\ufeff")), []byte("\n"))
		for _, fault := range faults {
			if fault.Line < 1 || fault.Line > len(lines) || fault.Col < 1 || fault.Col > utf8.RuneCount(lines[fault.Line-1])+1 {
				t.Errorf("outside the file: %v", fault)
			}
			if strings.Contains(fault.Message, "\n") || strings.Contains(fault.Message, "yaml:") && !bytes.Contains(b, []byte("yaml:")) {
				t.Errorf("not in our words: %v", fault)
			}
		}
		if !slices.IsSortedFunc(faults, func(a, b Fault) int {
			return cmpPlaces(place{a.Line, a.Col}, place{b.Line, b.Col})
		}) {
			t.Errorf("not in order:\n%v", faults)
		}
	})
}

func cmpPlaces(a, b place) int {
	if a.line != b.line {
		return a.line - b.line
	}
	return a.col - b.col
}
