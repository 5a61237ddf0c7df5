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
		{"preferred", []uapi.ModeInfo{mode(1920, 1080, 60, no), mode(1280, 1024, 60, preferred)}, 1},
		{"first", []uapi.ModeInfo{mode(1024, 768, 60, no), mode(1280, 1024, 60, no)}, 0},
		{"4K monitor with 1080p", []uapi.ModeInfo{mode(3840, 2160, 60, preferred), interlaced, mode(1920, 1200, 60, no),
			mode(1280, 720, 60, no), mode(1920, 1080, 50, no), mode(1920, 1080, 60, no), mode(1920, 1080, 120, no)}, 5},
		{"4K monitor without a smaller mode",
			[]uapi.ModeInfo{mode(3840, 2160, 60, preferred), mode(1024, 768, 60, no)}, 0},
		{"larger than the card supports", []uapi.ModeInfo{mode(5120, 2880, 60, preferred),
			mode(2560, 1440, 60, no), mode(1366, 768, 60, no)}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := chooseMode(tt.modes, uapi.Resources{MaxWidth: 4096, MaxHeight: 4096})
			if want := tt.modes[tt.want]; got != want {
				t.Errorf("got %dx%d at %d Hz, want %dx%d at %d Hz", got.HDisplay, got.VDisplay, got.VRefresh,
					want.HDisplay, want.VDisplay, want.VRefresh)
			}
		})
	}
}

func TestFindCRTC(t *testing.T) {
	c := &fakeCard{}
	c.monitor(mode(64, 48, 60, 0))
	second := c.monitor(mode(64, 48, 60, 0))
	second.Encoder = 0 // shows nothing
	k := newFakeKernel(c)
	f, _ := k.open("0")
	defer f.close()
	first := *c.connectors[0]
	for _, tt := range []struct {
		name      string
		connector uapi.Connector
		others    []uapi.Connector
		want      uint32
	}{
		{"current", first, []uapi.Connector{*second}, 30},
		{"free", *second, []uapi.Connector{first}, 31},
		{"shared", *second, []uapi.Connector{first, {Encoder: 21}}, 30},
		{"none", uapi.Connector{}, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := findCRTC(f, []uint32{30, 31}, tt.connector, tt.others)
			if got != tt.want || ok != (tt.want != 0) {
				t.Errorf("got %d, %v; want %d, %v", got, ok, tt.want, tt.want != 0)
			}
		})
	}
}
