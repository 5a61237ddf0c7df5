package render

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/sys/unix"
)

// fontWith returns a small font: glyphs of Go Mono, those from 'A' on for other
// characters, and a space.
func fontWith(t testing.TB, characters ...rune) []byte {
	t.Helper()
	const glyphs, fromA = 64, 36
	groups := [][3]int{{' ', ' ', 3}}
	for i, c := range characters {
		groups = append(groups, [3]int{int(c), int(c), fromA + i})
	}
	slices.SortFunc(groups, func(a, b [3]int) int { return a[0] - b[0] })
	cmap := []byte{0, 0, 0, 1, 0, 3, 0, 10, 0, 0, 0, 12, 0, 12, 0, 0}
	for _, v := range append([][3]int{{16 + 12*len(groups), 0, len(groups)}}, groups...) {
		for _, v := range v {
			cmap = binary.BigEndian.AppendUint32(cmap, uint32(v))
		}
	}
	tables := map[string][]byte{}
	for _, table := range readTables(bytes.NewReader(gomono.TTF)) {
		tables[table.tag] = bytes.Clone(gomono.TTF[table.offset:][:table.size])
	}
	loca := tables["loca"][:2*glyphs+2]
	end := 2 * int(binary.BigEndian.Uint16(loca[2*glyphs:]))
	if binary.BigEndian.Uint16(tables["head"][50:]) == 1 { // long offsets
		loca = tables["loca"][:4*glyphs+4]
		end = int(binary.BigEndian.Uint32(loca[4*glyphs:]))
	}
	binary.BigEndian.PutUint16(tables["maxp"][4:], glyphs)
	hmtx := tables["hmtx"]
	if n := binary.BigEndian.Uint16(tables["hhea"][34:]); n > glyphs {
		binary.BigEndian.PutUint16(tables["hhea"][34:], glyphs)
		hmtx = hmtx[:4*glyphs]
	} else {
		hmtx = hmtx[:4*int(n)+2*(glyphs-int(n))]
	}
	parts := []struct {
		tag  string
		data []byte
	}{
		{"cmap", cmap}, {"glyf", tables["glyf"][:end]}, {"head", tables["head"]}, {"hhea", tables["hhea"]},
		{"hmtx", hmtx},
		{"loca", loca}, {"maxp", tables["maxp"]},
	}
	font := append([]byte{0, 1, 0, 0, 0, byte(len(parts))}, make([]byte, 6)...)
	data := []byte{}
	for _, p := range parts {
		font = append(append(font, p.tag...), 0, 0, 0, 0)
		font = binary.BigEndian.AppendUint32(font, uint32(12+16*len(parts)+len(data)))
		font = binary.BigEndian.AppendUint32(font, uint32(len(p.data)))
		data = append(data, p.data...)
		data = append(data, make([]byte, -len(data)&3)...)
	}
	return append(font, data...)
}

// withFont returns a renderer that has found the characters of fontWith.
func withFont(t testing.TB, characters string) *textRenderer {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.ttf"), fontWith(t, []rune(characters)...), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newTextRenderer()
	search(r, characters, dir)
	return r
}

func TestSystemFonts(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	good := fontWith(t, '日')
	write("a.ttf", []byte("not a font"))
	write("b.ttf", nil)
	write("c.ttf", good[:140]) // cut off in its cmap
	write("d.ttf", append(bytes.Clone(good[:400]), good[len(good)-40:]...))
	write("z.ttf", good)
	if err := unix.Mkfifo(filepath.Join(dir, "fifo.ttf"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newTextRenderer()
	if got := r.clean("日本 a"); got != "… a" {
		t.Errorf("before the search: got %q, want that it goes on", got)
	}
	search(r, "日本", dir)
	if got := r.clean("日本"); got != "日[no font for Han]" {
		t.Errorf("got %q, want the character of the font", got)
	}
	m := r.line("日", text20)
	if !bytes.ContainsFunc(m.Pix, func(r rune) bool { return r != 0 }) {
		t.Error("the character is not drawn")
	}
}

// The picture does not wait for files: Paint draws what it can, and again when
// the fonts are found.
func TestPainter_FindFonts(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.ttf"), fontWith(t, '日'), 0o600); err != nil {
		t.Fatal(err)
	}
	p := NewPainter(noRecover)
	o := Overlay{Lines: []string{"bob: 日"}}
	paint := func() []byte {
		px := pixels(320, 240, BGRX, 0)
		p.Paint(px, nil, nil, 1, &o, true)
		return px.Pix
	}
	before := paint()
	ctx, cancel := context.WithCancel(t.Context())
	found, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		p.text.system.serve(ctx, &fontSearch{dirs: func() []string { return []string{dir} }},
			func() { found <- struct{}{} })
	}()
	<-found
	if bytes.Equal(before, paint()) {
		t.Error("the character is not drawn when its font is found")
	}
	cancel()
	<-done
}

func TestFontSearch_bounds(t *testing.T) {
	t.Run("a table over the end of the file", func(t *testing.T) {
		font := fontWith(t, '日')
		binary.BigEndian.PutUint32(font[12+12:], 1<<31) // of the first table: its size
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "x.ttf"), font, 0o600); err != nil {
			t.Fatal(err)
		}
		r := newTextRenderer()
		search(r, "日", dir)
		if got := r.clean("日"); got != "[no font for Han]" {
			t.Errorf("got %q, want that the font is not read", got)
		}
	})
	t.Run("all characters of a peer", func(t *testing.T) {
		s := newSystemFonts()
		none := &fontSearch{dirs: func() []string { return nil }}
		for c := rune(0); c < 3*maxFound; c++ {
			s.find(c)
			if c%1000 == 0 {
				s.answer(t.Context(), none)
			}
		}
		if len(s.found) > maxFound || len(s.wanted) > maxFound {
			t.Errorf("got %d and %d characters, want at most %d", len(s.found), len(s.wanted), maxFound)
		}
	})
}

// Fonts named after a script are read first, and no others if they have it.
func TestFontSearch_readsLittle(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"A-Regular.ttf", "SansThai-Regular.ttf", "Z-Regular.ttf"} {
		if err := os.WriteFile(filepath.Join(dir, name), fontWith(t, 'ก'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := search(newTextRenderer(), "ก", dir)
	for _, f := range s.files {
		if want := f.name == "sansthai-regular.ttf"; f.read != want {
			t.Errorf("%s is read: got %v, want %v", f.name, f.read, want)
		}
	}
}

func TestSystemFonts_hostile(t *testing.T) {
	good := fontWith(t, '日')
	for i := 0; i < len(good); i += 1 + len(good)/100 { // a byte changed each time
		bad := bytes.Clone(good)
		bad[i] ^= 0xFF
		path := filepath.Join(t.TempDir(), "x.ttf")
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		r := newTextRenderer()
		search(r, "日", filepath.Dir(path))
		if m := r.line("日x", text20); m.Rect.Dx() > 200 {
			t.Errorf("byte %d changed: got a width of %d", i, m.Rect.Dx())
		}
	}
}

// Fonts for names and messages come before those for ornament.
func TestFontRank(t *testing.T) {
	for _, tt := range [][2]string{
		{"NotoSansHebrew-Regular.ttf", "NotoRashiHebrew-Regular.ttf"}, {"DejaVuSans.ttf", "DejaVuSans-Bold.ttf"},
		{"NotoSansArabic-Regular.ttf", "NotoKufiArabic-Regular.ttf"}, {"DejaVuSans.ttf", "DejaVuSansMono.ttf"},
		{"NotoSans-Regular.ttf", "NotoSansAdlam-Regular.ttf"}, {"DejaVuSans.ttf", "NotoSansCJK-Regular.ttc"},
	} {
		if fontRank(tt[0]) >= fontRank(tt[1]) {
			t.Errorf("%s does not come before %s", tt[0], tt[1])
		}
	}
}
