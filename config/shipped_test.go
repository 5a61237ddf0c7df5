package config

import (
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"gopkg.in/yaml.v3"
)

const shipped = "../packaging/vchat.yaml"

// example matches the "#" of examples. Comments have one blank after it.
var example = regexp.MustCompile(`(?m)^#($|[^ #\n]|  )`)

// open matches the "#" of defaults that are commented out.
var open = regexp.MustCompile(`(?m)^( +)#([a-z])`)

// uncommentExamples returns the shipped file with its examples in effect.
func uncommentExamples(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	return open.ReplaceAll(example.ReplaceAll(b, []byte("$1")), []byte("$1$2"))
}

func TestShippedFile_default(t *testing.T) {
	got, err := Load(shipped)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"device", "size", "fps"} {
		if line := got.Line("camera", key); line > 0 {
			t.Errorf("%s:%d: sets %s, so that no user can choose it", shipped, line, key)
		}
	}
	want := Default()
	want.File = shipped
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Config{})); diff != "" {
		t.Errorf("packaging/vchat.yaml differs from the defaults (-default +file):\n%s", diff)
	}
}

func TestShippedFile_examples(t *testing.T) {
	got, err := Parse(shipped, uncommentExamples(t))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	if got.Line("camera", "fps") == 0 || got.Line("camera", "device") == 0 {
		t.Error("packaging/vchat.yaml has no lines of what camera use chooses")
	}
	want.Name = "kitchen"
	want.Relay = []string{"vps.example.org:4001"}
	want.Peers["workshop"] = Peer{Name: "workshop", Address: "workshop.local:7450", ID: workshopID}
	want.Hooks = Hooks{
		Ring:        []string{"/usr/bin/aplay", "-q", "/usr/share/sounds/alsa/Front_Center.wav"},
		Answered:    []string{"/usr/bin/logger", "call answered"},
		Ended:       []string{"/usr/bin/logger", "call ended"},
		Missed:      []string{"/usr/bin/logger", "call missed"},
		Text:        []string{"/usr/bin/logger", "message received"},
		CameraLost:  []string{"/usr/bin/logger", "camera lost"},
		CameraFound: []string{"/usr/bin/logger", "camera found"},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Config{})); diff != "" {
		t.Errorf("packaging/vchat.yaml with its examples (-want +got):\n%s", diff)
	}
}

// The shipped file documents each key of the table.
func TestShippedFile_keys(t *testing.T) {
	var doc yaml.Node
	if err := yaml.Unmarshal(uncommentExamples(t), &doc); err != nil {
		t.Fatal(err)
	}
	r := &reader{}
	var look func(path string, keys []key, n *yaml.Node)
	look = func(path string, keys []key, n *yaml.Node) {
		for _, k := range keys {
			at := join(path, k.name)
			value := valueOf(n, k.name)
			switch {
			case value == nil:
				t.Errorf("packaging/vchat.yaml lacks %s", at)
			case at == "peers":
				look(at+".workshop", r.peerKeys(&Peer{}), valueOf(value, "workshop"))
			case k.keys != nil:
				look(at, k.keys, value)
			}
		}
	}
	look("", r.keys(Default()), doc.Content[0])
}
