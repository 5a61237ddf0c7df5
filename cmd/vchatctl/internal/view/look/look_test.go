package look

import (
	"regexp"
	"strings"
	"testing"
)

func TestContrast(t *testing.T) {
	for _, tt := range []struct {
		name           string
		text, behindIt Color
	}{
		{"text", Text, Background}, {"text on a surface", Text, Surface}, {"muted", Muted, Background},
		{"muted on a surface", Muted, Surface}, {"accept", White, Accept}, {"decline", White, Decline},
		{"warning", Warning, Background}, {"warning on a surface", Warning, Surface},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.text.Contrast(tt.behindIt); got < 4.5 {
				t.Errorf("%v on %v: got a contrast of %.2f, want at least 4.5", tt.text, tt.behindIt, got)
			}
		})
	}
	if got := White.Contrast(0); got < 20.9 || got > 21.1 {
		t.Errorf("white on black: got %.2f, want 21", got)
	}
}

func TestCSS(t *testing.T) {
	if got, want := CSS(), ":root{--background:#101418;"; !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want it to begin with %s", got, want)
	}
	if got, want := CSS(), "--warning:#F2B84B;}"; !strings.HasSuffix(got, want) {
		t.Errorf("got %s, want it to end with %s", got, want)
	}
}

func TestIcons(t *testing.T) {
	path := regexp.MustCompile(`^(M[-0-9.]+ [-0-9.]+([LC][-0-9. ]+)+Z)+$`)
	names := map[string]bool{}
	for i := range Icon(len(icons)) {
		t.Run(i.String(), func(t *testing.T) {
			if i != IconNone && !path.MatchString(i.Path()) {
				t.Errorf("got path %q, want the commands M, L, C and Z", i.Path())
			}
			if i.String() == "" || names[i.String()] {
				t.Errorf("got the name %q, want one of its own", i.String())
			}
			names[i.String()] = true
		})
	}
	if Icon(-1).Path() != "" || Icon(1000).Path() != "" {
		t.Error("an unknown icon has a path")
	}
}

func TestActions(t *testing.T) {
	names := map[string]bool{}
	for a := ActionNone + 1; a <= ActionQuit; a++ {
		t.Run(a.String(), func(t *testing.T) {
			if a.Label() == "" || a.Key() == "" || (a.Icon() == IconNone) != a.IsReadyMessage() {
				t.Errorf("got label %q, key %q, icon %v; want all three, but no icon of a ready message",
					a.Label(), a.Key(), a.Icon())
			}
			if a.String() == "" || names[a.String()] {
				t.Errorf("got the name %q, want one of its own", a.String())
			}
			names[a.String()] = true
		})
	}
	if Action(-1).Label() != "" || Action(1000).Key() != "" {
		t.Error("an unknown action has words")
	}
}

func TestTextSize_Em(t *testing.T) {
	for _, tt := range []struct{ w, h, body, display int }{
		{320, 240, 11, 27}, {800, 480, 17, 42}, {1280, 720, 25, 62}, {1920, 1080, 38, 95},
		{480, 800, 18, 45}, {1, 1, 11, 27},
	} {
		if got := Body.Em(tt.w, tt.h); got != tt.body {
			t.Errorf("body at %dx%d: got %d, want %d", tt.w, tt.h, got, tt.body)
		}
		if got := Display.Em(tt.w, tt.h); got != tt.display {
			t.Errorf("display at %dx%d: got %d, want %d", tt.w, tt.h, got, tt.display)
		}
	}
	if got := Step(1280, 720); got != 8 {
		t.Errorf("step at 1280x720: got %d, want 8", got)
	}
}
