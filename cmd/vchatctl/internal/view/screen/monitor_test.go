package screen

import (
	"testing"

	"vchat/cmd/vchatctl/internal/view/screen/internal/uapi"
)

func TestChooseMode(t *testing.T) {
	const preferred, no = uapi.TypePreferred, 0
	interlaced := mode(1920, 1080, 60, no)
	interlaced.Flags = uapi.FlagInterlace
	for _, tt := range []struct {
		name  string
		modes []uapi.ModeInfo
		want  int
	}{
		{"the preferred", []uapi.ModeInfo{mode(1920, 1080, 60, no), mode(1280, 1024, 60, preferred)}, 1},
		{"the first", []uapi.ModeInfo{mode(1024, 768, 60, no), mode(1280, 1024, 60, no)}, 0},
		{"of 4K the quarter", []uapi.ModeInfo{mode(3840, 2160, 60, preferred), interlaced, mode(1920, 1200, 60, no),
			mode(1280, 720, 60, no), mode(1920, 1080, 50, no), mode(1920, 1080, 60, no), mode(1920, 1080, 120, no)}, 5},
		{"4K without a choice", []uapi.ModeInfo{mode(3840, 2160, 60, preferred), mode(1024, 768, 60, no)}, 0},
		{"more than the card can", []uapi.ModeInfo{mode(5120, 2880, 60, preferred), mode(2560, 1440, 60, no), mode(1366, 768, 60, no)}, 2},
	} {
		got := chooseMode(tt.modes, uapi.Resources{MaxWidth: 4096, MaxHeight: 4096})
		if want := tt.modes[tt.want]; got != want {
			t.Errorf("%s: %d x %d at %d", tt.name, got.HDisplay, got.VDisplay, got.VRefresh)
		}
	}
}

// Another monitor's CRTC is not taken from it while there is one that shows nothing.
func TestChooseCRTC(t *testing.T) {
	c := &pretendCard{}
	c.monitor(mode(64, 48, 60, 0))
	second := c.monitor(mode(64, 48, 60, 0))
	second.Encoder = 0 // dark
	k := newKernel(c)
	f, _ := k.open("0")
	defer f.close()
	first := *c.connectors[0]
	for _, tt := range []struct {
		name      string
		connector uapi.Connector
		others    []uapi.Connector
		want      uint32
	}{
		{"what drives it", first, []uapi.Connector{*second}, 30},
		{"what drives nothing", *second, []uapi.Connector{first}, 31},
		{"a shared one at last", *second, []uapi.Connector{first, {Encoder: 21}}, 30},
		{"none", uapi.Connector{}, nil, 0},
	} {
		got, ok := chooseCRTC(f, []uint32{30, 31}, tt.connector, tt.others)
		if got != tt.want || ok != (tt.want != 0) {
			t.Errorf("%s: %d, %v", tt.name, got, ok)
		}
	}
}
