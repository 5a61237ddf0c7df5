package terminal

import "testing"

func TestTextWidth(t *testing.T) {
	for text, want := range map[string]int{
		"":              0,
		"tea":           3,
		"äöü":           3,
		"a\u0308":       1, // combining
		"日本":            4,
		"한":             2,
		"\u1112\u1161":  2, // the same letter from its parts
		"ｆ":             2, // fullwidth
		"ﾃ":             1, // halfwidth
		"🙂":             2,
		"▀":             1, // ambiguous: narrow in every terminal that shows half blocks
		"\x1b\u200d\t":  0,
		"\u0000\u009f€": 1,
	} {
		if got := textWidth(text); got != want {
			t.Errorf("%q: got %d columns, want %d", text, got, want)
		}
	}
}

func TestTruncate(t *testing.T) {
	for _, tt := range []struct {
		text string
		cols int
		mark string
		want string
	}{
		{"tea is ready", 12, "…", "tea is ready"},
		{"tea is ready", 7, "…", "tea is…"},
		{"tea", 0, "…", ""},
		{"tea", 1, "…", "…"},
		{"日本", 3, "", "日"},
		{"日本", 3, "…", "日…"},
		{"日本", 2, "…", "…"},
	} {
		if got := truncate(tt.text, tt.cols, tt.mark); got != tt.want {
			t.Errorf("%q in %d columns: got %q, want %q", tt.text, tt.cols, got, tt.want)
		}
	}
	if got := pad("日", 4); got != "日  " {
		t.Errorf("got %q, want two blanks more", got)
	}
}
