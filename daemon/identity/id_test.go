package identity

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// The texts were made by another implementation than this package's: division of the whole bit string.
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
		t.Fatalf("bad hash %q: %v", s, err)
	}
	return id
}

func TestIDText(t *testing.T) {
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
					t.Errorf("ParseID(%q) = %v, %v", spelling, got, err)
				}
			}
		})
	}
}

func TestParseIDRefuses(t *testing.T) {
	good := idVectors[3].text
	// 52 characters of hash that end in one of the four bits too many, with the check characters that fit them.
	last := "AAAAAAAAAAAAB"
	padding := strings.Repeat("A", 45) + last + checkCharacters(last)

	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "0 characters instead of 60"},
		{"one missing", good[1:], "59 characters instead of 60"},
		{"one too many", good + "A", "61 characters instead of 60"},
		{"a book", strings.Repeat("A", 5000), "5000 characters instead of 60"},
		{"zero for O", strings.Replace(good, "4OY", "40Y", 1), "0 in group 1, where no id has that digit: perhaps the letter O is meant"},
		{"one", "1" + good[1:], "1 in group 1, where no id has that digit: perhaps the letter I or L is meant"},
		{"eight", good[:70] + "8", "8 in group 12, where no id has that digit: perhaps the letter B is meant"},
		{"nine", good[:6] + "9" + good[7:], "9 in group 2, where no id has that digit: perhaps the letter G is meant"},
		{"another sign", good[:6] + "_" + good[7:], `'_' in group 2: an id has only the letters`},
		{"a letter that is I in capitals only elsewhere", strings.Replace(good, "I", "ı", 1), `'ı' in group 1`},
		{"not UTF-8", "\xff" + good[1:], `in group 1: an id has only the letters`},
		{"typing error in the first block", "5" + good[1:], "typing error in groups 1–3"},
		{"in the second", strings.Replace(good, "EJS35", "EJS36", 1), "typing error in groups 4–6"},
		{"in the third", strings.Replace(good, "24QP", "24PQ", 1), "typing error in groups 7–9"},
		{"in the check characters", good[:70] + "Z", "typing error in groups 10–12"},
		{"a second spelling of the same bits", padding, "typing error in groups 10–12"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseID(c.text)
			if !errors.Is(err, ErrID) {
				t.Fatalf("got %v, want an ErrID", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant …%s…", err, c.want)
			}
		})
	}
}

// Whatever single character is mistyped, and whichever neighbours are swapped, is found, in its own block.
func TestParseIDFindsTypingErrors(t *testing.T) {
	plain := strings.ReplaceAll(idVectors[3].text, "-", "")
	for i := range plain {
		want := typingError(i / blockLen).Error()
		for _, c := range alphabet {
			if byte(c) == plain[i] {
				continue
			}
			if _, err := ParseID(plain[:i] + string(c) + plain[i+1:]); err == nil || err.Error() != want {
				t.Errorf("%c for character %d: %v, want %s", c, i, err, want)
			}
		}
		if i%blockLen == blockLen-1 || plain[i] == plain[i+1] {
			continue
		}
		swapped := plain[:i] + string(plain[i+1]) + string(plain[i]) + plain[i+2:]
		if _, err := ParseID(swapped); err == nil || err.Error() != want {
			t.Errorf("characters %d and %d swapped: %v, want %s", i, i+1, err, want)
		}
	}
}

func TestCompare(t *testing.T) {
	small, big := ID{0: 1, 31: 255}, ID{0: 128}
	if small.Compare(big) >= 0 || big.Compare(small) <= 0 || big.Compare(big) != 0 {
		t.Error("ids are not ordered as unsigned bytes")
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
				t.Fatalf("%v is no ErrID", err)
			}
			return
		}
		if again, err := ParseID(id.String()); err != nil || again != id {
			t.Fatalf("%q reads as %v, whose text reads as %v, %v", s, id, again, err)
		}
	})
}
