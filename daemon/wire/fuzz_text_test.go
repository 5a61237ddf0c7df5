package wire

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzSanitize makes any text fit for a message.
func FuzzSanitize(f *testing.F) {
	f.Add("kitchen", 64)
	f.Add("a\x1b[2J\u009bb\xff\xc3", 5)
	f.Add("€€€", 4)
	f.Add("", 0)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		if limit < 0 || limit > 1<<16 {
			return
		}
		got := Sanitize(s, limit)
		if len(got) > limit || !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) {
			t.Fatalf("got %q", got)
		}
		if checkString("text", got, limit) != nil {
			t.Fatalf("%q is not fit for a message", got)
		}
		if again := Sanitize(got, limit); again != got {
			t.Fatalf("twice: got %q, once %q", again, got)
		}
		if len(s) <= limit && isPlain(s) && got != s {
			t.Fatalf("got %q, want the text unchanged: %q", got, s)
		}
	})
}

// FuzzAgree compares any two hellos. Both devices get the same result, and a
// refusal fits into a Bye.
func FuzzAgree(f *testing.F) {
	f.Add(uint16(1), uint16(1), "kitchen", "jpeg text", uint16(1), uint16(3), "workshop", "jpeg jpeg lz4")
	f.Add(uint16(2), uint16(9), "", "", uint16(1), uint16(1), strings.Repeat("ä", 32), "jpeg")
	f.Fuzz(func(t *testing.T, min1, max1 uint16, name1, features1 string, min2, max2 uint16, name2, features2 string) {
		a := Hello{VersionMin: min1, VersionMax: max1, Name: name1, Features: strings.Fields(features1)}
		b := Hello{VersionMin: min2, VersionMax: max2, Name: name2, Features: strings.Fields(features2)}
		if a.validate() != nil || b.validate() != nil {
			return
		}
		v1, err1 := Agree(a, b)
		v2, err2 := Agree(b, a)
		if v1 != v2 || (err1 == nil) != (err2 == nil) || (v1 == 0) != (err1 != nil) {
			t.Fatalf("got %d, %v here and %d, %v there", v1, err1, v2, err2)
		}
		if err1 == nil && (v1 < max(min1, min2) || v1 > min(max1, max2)) {
			t.Fatalf("got version %d of %d to %d and %d to %d", v1, min1, max1, min2, max2)
		}
		if err1 != nil {
			if _, err := Append(nil, &Bye{Code: CodeVersion, Text: err1.Error()}); err != nil {
				t.Fatalf("%q does not fit into a Bye: %v", err1, err)
			}
		}
		if x, y := CommonFeatures(a, b), CommonFeatures(b, a); strings.Join(x, " ") != strings.Join(y, " ") {
			t.Fatalf("got features %q here and %q there", x, y)
		}
	})
}
