package screen

import (
	"slices"
	"testing"

	"vchat/cmd/vchatctl/internal/view"
)

func TestKeyDecoder(t *testing.T) {
	r := func(r rune) view.Input { return view.Input{Key: view.KeyRune, Rune: r} }
	k := func(k view.Key) view.Input { return view.Input{Key: k} }
	for _, tt := range []struct {
		name string
		read []string // results of consecutive reads
		want []view.Input
	}{
		{"letters", []string{"aQ ", "?"}, []view.Input{r('a'), r('Q'), r(' '), r('?')}},
		{"keys", []string{"\r\x7f\x08\n\x03"}, []view.Input{k(view.KeyEnter),
			k(view.KeyBackspace), k(view.KeyBackspace), k(view.KeyEnter), k(view.KeyInterrupt)}},
		{"other control keys", []string{"\x00\x01\x1aq"}, []view.Input{r('q')}},
		{"Tab and Ctrl-Q", []string{"\t\x11"}, []view.Input{k(view.KeyTab), k(view.KeyCtrlQ)}},
		{"Shift-Tab", []string{"\x1b[Z", "\x1b\t"}, []view.Input{k(view.KeyBackTab), k(view.KeyBackTab)}},
		{"arrows", []string{"\x1b[A\x1b[B\x1b[C\x1b[D", "\x1bOA"}, []view.Input{k(view.KeyUp), k(view.KeyDown),
			k(view.KeyRight), k(view.KeyLeft), k(view.KeyUp)}},
		{"F11", []string{"\x1b[23~"}, []view.Input{k(view.KeyF11)}},
		{"non-ASCII", []string{"ä€", "\xf0\x9f", "\x98\x80ö"}, []view.Input{r('ä'), r('€'), r('😀'), r('ö')}},
		{"invalid UTF-8", []string{"a\xffb\xc3", "c"}, []view.Input{r('a'), r('b'), r('c')}},
		{"Escape", []string{"\x1b", "x\x1b"}, []view.Input{k(view.KeyEscape), r('x'), k(view.KeyEscape)}},
		{"Escape twice", []string{"\x1b\x1b"}, []view.Input{k(view.KeyEscape), k(view.KeyEscape)}},
		{"arrows with Ctrl, and function keys", []string{"\x1b[1;5Cx\x1b[3~\x1bOPy\x1b[[Az"},
			[]view.Input{r('x'), r('y'), r('z')}},
		{"Alt with a letter", []string{"\x1bqx"}, []view.Input{r('x')}},
		{"incomplete sequences", []string{"\x1b[", "\x1bO", "\x1b[[", "\x1b[1;"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var d keyDecoder
			var got []view.Input
			for _, b := range tt.read {
				d.decode([]byte(b), func(in view.Input) { got = append(got, in) })
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
