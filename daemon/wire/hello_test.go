package wire

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAgree(t *testing.T) {
	hello := func(name string, low, high uint16, features ...string) Hello {
		return Hello{VersionMin: low, VersionMax: high, Name: name, Features: features}
	}
	for _, c := range []struct {
		name string
		a, b Hello
		want uint16
		err  string // part of the error
	}{
		{"the same", hello("a", 1, 1, "jpeg"), hello("b", 1, 1, "jpeg"), 1, ""},
		{"highest common version", hello("a", 1, 3, "jpeg"), hello("b", 2, 5, "jpeg"), 3, ""},
		{"one range inside the other", hello("a", 1, 65535, "jpeg"), hello("b", 4, 6, "jpeg"), 6, ""},
		{"ranges touch", hello("a", 1, 2, "jpeg"), hello("b", 2, 3, "jpeg"), 2, ""},
		{"one too new", hello("kitchen", 1, 1, "jpeg"), hello("workshop", 2, 3, "jpeg"), 0,
			`"kitchen" supports version 1, "workshop" supports versions 2 to 3`},
		{"one too old, without a name", hello("", 5, 6, "jpeg"), hello("workshop", 2, 3, "jpeg"), 0,
			`an unnamed device supports versions 5 to 6, "workshop" supports versions 2 to 3`},
		{"no JPEG", hello("a", 1, 1, "jpeg"), hello("b", 1, 1, "yuyv"), 0, `"b" does not support JPEG frames`},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, pair := range [][2]Hello{{c.a, c.b}, {c.b, c.a}} {
				got, err := Agree(pair[0], pair[1])
				if got != c.want || (err != nil) != (c.err != "") {
					t.Fatalf("got %d, %v; want %d", got, err, c.want)
				}
				if err != nil && !errors.Is(err, ErrVersion) {
					t.Errorf("got %v, want ErrVersion", err)
				}
			}
			if _, err := Agree(c.a, c.b); err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %v, want …%s", err, c.err)
			}
		})
	}
}

// The error of Agree fits into a Bye, whatever the names.
func TestAgree_fitsBye(t *testing.T) {
	a := Hello{VersionMin: 10000, VersionMax: 20000, Name: strings.Repeat("\u202e", MaxName/3)}
	b := Hello{VersionMin: 30000, VersionMax: 40000, Name: strings.Repeat(`"`, MaxName)}
	for _, h := range []Hello{a, b} {
		if err := h.validate(); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Agree(a, b)
	if err == nil {
		t.Fatal("got no error")
	}
	if _, err := Append(nil, &Bye{CodeVersion, err.Error()}); err != nil {
		t.Error(err)
	}
}

func TestCommonFeatures(t *testing.T) {
	a := Hello{Features: []string{"yuyv", "jpeg", "lz4", "jpeg"}}
	b := Hello{Features: []string{"jpeg", "smell", "yuyv", "yuyv"}}
	want := []string{"jpeg", "yuyv"}
	if diff := cmp.Diff(want, CommonFeatures(a, b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, CommonFeatures(b, a)); diff != "" {
		t.Errorf("swapped (-want +got):\n%s", diff)
	}
	if got := CommonFeatures(a, Hello{}); len(got) != 0 {
		t.Errorf("with an empty Hello: got %q, want none", got)
	}
}

func TestCodec_Allowed(t *testing.T) {
	for _, c := range []struct {
		features string
		want     []Codec
	}{
		{"", nil},
		{"jpeg", []Codec{CodecJPEG}},
		{"jpeg lz4", []Codec{CodecJPEG}},
		{"jpeg yuyv", []Codec{CodecJPEG, CodecYUYV}},
		{"jpeg lz4 yuyv", []Codec{CodecJPEG, CodecYUYV, CodecYUYVLZ4}},
	} {
		t.Run(c.features, func(t *testing.T) {
			var got []Codec
			for codec := range Codec(255) {
				if codec.Allowed(strings.Fields(c.features)) {
					got = append(got, codec)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
