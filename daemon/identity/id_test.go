package identity

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// An independent implementation generated the texts.
var idVectors = []struct{ name, hash, text string }{
	{"zeros", strings.Repeat("00", 32),
		"AAAAA-AAAAA-AAAAA-AAAAA-AAAAA-AAAAA-AAAAA-AAAAA-AAAAA-AAAAA-AAAAA-AAAAA"},
	{"counting", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		"AAAQE-AYEAU-DAOVN-CAJBI-FQYDI-OB4JM-IBCEQ-TCQKR-MFYFK-YDENB-WHA5D-YPQ63"},
	{"ones", strings.Repeat("ff", 32),
		"77777-77777-7777Y-77777-77777-7777Y-77777-77777-7777Y-77777-77777-77QQG"},
	{"SHA-256 of nothing", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"4OYMI-QUY7Q-OBJVL-GX36T-EJS35-ZEQUV-T24QP-EMSNZ-GTF6A-ESWMR-W6CSX-BKQXY"},
}

func fromHex(t *testing.T, s string) (id ID) {
	t.Helper()
	if n, err := hex.Decode(id[:], []byte(s)); err != nil || n != len(id) {
		t.Fatalf("invalid hash %q: %v", s, err)
	}
	return id
}

func TestID_text(t *testing.T) {
	for _, v := range idVectors {
		t.Run(v.name, func(t *testing.T) {
			id := fromHex(t, v.hash)
			if got := id.String(); got != v.text {
				t.Errorf("String:\n got %s\nwant %s", got, v.text)
			}
			for _, spelling := range []string{
				v.text,
				strings.ToLower(v.text),
				strings.ReplaceAll(v.text, "-", ""),
				"  " + strings.ReplaceAll(v.text, "-", " \t") + "\n",
			} {
				if got, err := ParseID(spelling); err != nil || got != id {
					t.Errorf("ParseID(%q): got %v, %v; want %v", spelling, got, err, id)
				}
			}
		})
	}
}

func TestParseID_invalid(t *testing.T) {
	good := idVectors[3].text
	// 52 characters with one of the four surplus bits set, and valid check
	// characters.
	last := "AAAAAAAAAAAAB"
	padding := strings.Repeat("A", 45) + last + checkCharacters(last)

	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "0 characters, want 60"},
		{"too short", good[1:], "59 characters, want 60"},
		{"too long", good + "A", "61 characters, want 60"},
		{"very long", strings.Repeat("A", 5000), "5000 characters, want 60"},
		{"zero for O", strings.Replace(good, "4OY", "40Y", 1),
			"digit 0 in group 1 is not used in ids; it may be the letter O"},
		{"one", "1" + good[1:], "digit 1 in group 1 is not used in ids; it may be the letter I or L"},
		{"eight", good[:70] + "8", "digit 8 in group 12 is not used in ids; it may be the letter B"},
		{"nine", good[:6] + "9" + good[7:], "digit 9 in group 2 is not used in ids; it may be the letter G"},
		{"punctuation", good[:6] + "_" + good[7:], `'_' in group 2 is not a letter A–Z`},
		{"dotless i", strings.Replace(good, "I", "ı", 1), `'ı' in group 1`},
		{"not UTF-8", "\xff" + good[1:], `in group 1 is not a letter A–Z`},
		{"typing error in the first block", "5" + good[1:], "typing error in groups 1–3"},
		{"typing error in the second block", strings.Replace(good, "EJS35", "EJS36", 1),
			"typing error in groups 4–6"},
		{"typing error in the third block", strings.Replace(good, "24QP", "24PQ", 1), "typing error in groups 7–9"},
		{"typing error in the check characters", good[:70] + "Z", "typing error in groups 10–12"},
		{"surplus bit", padding, "typing error in groups 10–12"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseID(c.text)
			if !errors.Is(err, ErrID) {
				t.Fatalf("got %v, want ErrID", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant …%s…", err, c.want)
			}
		})
	}
}

// ParseID finds the block of every wrong character and of every swap of two
// neighbours.
func TestParseID_typingErrors(t *testing.T) {
	plain := strings.ReplaceAll(idVectors[3].text, "-", "")
	for i := range plain {
		want := typingError(i / blockLen).Error()
		for _, c := range alphabet {
			if byte(c) == plain[i] {
				continue
			}
			if _, err := ParseID(plain[:i] + string(c) + plain[i+1:]); err == nil || err.Error() != want {
				t.Errorf("%c for character %d: got %v, want %s", c, i, err, want)
			}
		}
		if i%blockLen == blockLen-1 || plain[i] == plain[i+1] {
			continue
		}
		swapped := plain[:i] + string(plain[i+1]) + string(plain[i]) + plain[i+2:]
		if _, err := ParseID(swapped); err == nil || err.Error() != want {
			t.Errorf("characters %d and %d swapped: got %v, want %s", i, i+1, err, want)
		}
	}
}

func TestID_Compare(t *testing.T) {
	small, big := ID{0: 1, 31: 255}, ID{0: 128}
	if small.Compare(big) >= 0 || big.Compare(small) <= 0 || big.Compare(big) != 0 {
		t.Error("Compare: got another order than of unsigned bytes")
	}
}

func FuzzParseID(f *testing.F) {
	for _, v := range idVectors {
		f.Add(v.text)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseID(s)
		if err != nil {
			if !errors.Is(err, ErrID) {
				t.Fatalf("got %v, want ErrID", err)
			}
			return
		}
		if again, err := ParseID(id.String()); err != nil || again != id {
			t.Fatalf("%q: got %v, whose text yields %v, %v", s, id, again, err)
		}
	})
}
