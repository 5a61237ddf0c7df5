package config

import (
	"errors"
	"fmt"
	"go/build"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"vchat/daemon/smallfile"
)

func TestParse(t *testing.T) {
	set := func(change func(*Config)) *Config {
		c := Default()
		change(c)
		return c
	}
	device := func(s string) *Config { return set(func(c *Config) { c.Camera.Device = s }) }
	listen := func(s string) *Config { return set(func(c *Config) { c.Listen = s }) }
	name := func(s string) *Config { return set(func(c *Config) { c.Name = s }) }
	peer := func(p Peer) *Config {
		return set(func(c *Config) {
			p.Name, p.ID = "a", workshopID
			c.Peers["a"] = p
		})
	}
	for _, tt := range []struct {
		file string
		want *Config // nil: the file has faults
	}{
		// Empty files and values.
		{"", Default()},
		{"\n# a comment\n", Default()},
		{"---\n", Default()},
		{"---\n...\n", Default()},
		{"{}", Default()},
		{"\ufeff", Default()},
		{"name:\nlisten: ~\ncamera:\npeers: null\nhooks:\nlog: {level: }\ncamera: ", nil}, // camera twice
		{"name:\nlisten: ~\ncamera:\n  size:\n  controls:\npeers: null\nhooks: {ring: }\nlog: {level: }\n", Default()},

		// Text is not interpreted.
		{"name: kitchen", name("kitchen")},
		{"name: 007", name("007")},
		{"name: true", name("true")},
		{"name: \"true\"", name("true")},
		{"name: Küche №1\r\n", name("Küche №1")},
		{"\ufeffname: kitchen\n---\n", nil},
		{"\ufeffname: kitchen\n...\n", name("kitchen")},
		{"name: " + strings.Repeat("ä", 64), name(strings.Repeat("ä", 64))},

		{"listen: \"\"", listen("")},
		{"listen: :1", listen(":1")},
		{"listen: 0.0.0.0:65535", listen("0.0.0.0:65535")},
		{"listen: \"[::]:7450\"", listen("[::]:7450")},
		{"metrics: 127.0.0.1:7451", set(func(c *Config) { c.Metrics = "127.0.0.1:7451" })},

		{"camera: {device: test}", device("test")},
		{"camera: {device: /dev/v4l/by-id/usb-046d-video-index0}", device("/dev/v4l/by-id/usb-046d-video-index0")},
		{"camera: {device: 'file:/srv/a b.mjpeg'}", device("file:/srv/a b.mjpeg")},
		{"camera: {device: exec:rpicam-vid --codec mjpeg -o -}", device("exec:rpicam-vid --codec mjpeg -o -")},
		{"camera:\n  device: >-\n    exec:rpicam-vid\n    --codec mjpeg\n", device("exec:rpicam-vid --codec mjpeg")},
		{"camera: {size: 16x8192, fps: 240, format: yuyv, raw: lz4, rotate: 270, usb_reset: true}",
			set(func(c *Config) {
				c.Camera = Camera{"auto", Size{16, 8192}, 240, "yuyv", "lz4", 270, true, map[string]string{}}
			})},
		{"camera: {format: nv12}", set(func(c *Config) { c.Camera.Format = "nv12" })},
		{"camera: {format: grey}", set(func(c *Config) { c.Camera.Format = "grey" })},
		{"camera: {controls: {power_line_frequency: 50hz, brightness: 128, hflip: true, gain: -0x5, none: }}",
			set(func(c *Config) {
				c.Camera.Controls = map[string]string{
					"power_line_frequency": "50hz", "brightness": "128", "hflip": "true", "gain": "-0x5",
				}
			})},

		{peerHeader + "address: \"\"", peer(Peer{})},
		{peerHeader + "address: \"[fe80::1%eth0]:7450\"", peer(Peer{Address: "[fe80::1%eth0]:7450"})},
		{peerHeader + "address: küche_2.local.:7450", peer(Peer{Address: "küche_2.local.:7450"})},
		{peerHeader + "address: BÜRO.example:7450", peer(Peer{Address: "BÜRO.example:7450"})},
		{peerHeader + "address: 例え。テスト:7450", peer(Peer{Address: "例え。テスト:7450"})},
		{peerHeader + "address: xn--bro-hoa.example:7450", peer(Peer{Address: "xn--bro-hoa.example:7450"})},
		{peerHeader + "address: \"[::ffff:169.254.1.1]:7450\"", peer(Peer{Address: "[::ffff:169.254.1.1]:7450"})},
		{peerHeader + "auto_answer: On", peer(Peer{AutoAnswer: true})},
		{peerHeader + "auto_answer: YES", peer(Peer{AutoAnswer: true})},
		{"discovery: off", set(func(c *Config) { c.Discovery = false })},
		{"discovery: No", set(func(c *Config) { c.Discovery = false })},
		{"name: Bob’s “kitchen”", name("Bob’s “kitchen”")},
		{"name: '“Kitchen”'", name("“Kitchen”")},
		{peerHeader + "address: 10.0.0.7:7450\n    auto_answer: true\n    max_bitrate: 7.5",
			peer(Peer{Address: "10.0.0.7:7450", AutoAnswer: true, MaxBitrate: 7.5})},
		{"peers: {a: {id: " + strings.ToLower(strings.ReplaceAll(workshopID, "-", " ")) + "}}", peer(Peer{})},
		{"peers:\n  7: {id: " + workshopID + "}\n  B.c_d-e: {id: " + atticID + "}", set(func(c *Config) {
			c.Peers["7"] = Peer{Name: "7", ID: workshopID}
			c.Peers["B.c_d-e"] = Peer{Name: "B.c_d-e", ID: atticID}
		})},

		{"relay: []", Default()},
		{"relay: ", Default()},
		{"relay: \"\"\nrelay_proxy: \"\"", Default()},
		{"relay: vps.example.org:4001", set(func(c *Config) { c.Relay = []string{"vps.example.org:4001"} })},
		{"relay: [a:1, \"[2001:db8::7]:4001\"]\nrelay_proxy: socks5://[::1]:9050", set(func(c *Config) {
			c.Relay, c.RelayProxy = []string{"a:1", "[2001:db8::7]:4001"}, "socks5://[::1]:9050"
		})},
		{peerHeader + "proxy: socks5://u:p@tor.local:9050\n    address: abcdefgh.onion:7450",
			peer(Peer{Address: "abcdefgh.onion:7450", Proxy: "socks5://u:p@tor.local:9050"})},

		{"calls: {max: 16, ring_timeout: 1m30s, resume_for: 0s, do_not_disturb: true}", set(func(c *Config) {
			c.Calls = Calls{16, 90 * time.Second, 0, true}
		})},
		{"calls: {max: 1, ring_timeout: 1s, resume_for: 24h}", set(func(c *Config) {
			c.Calls = Calls{1, time.Second, 24 * time.Hour, false}
		})},
		{"discovery: false\nstate_dir: /srv/vchat\nlog: {level: debug}\ncontrol: {socket: /tmp/v.sock, group: 1000}",
			set(func(c *Config) {
				c.Discovery, c.StateDir, c.Log.Level = false, "/srv/vchat", slog.LevelDebug
				c.Control.Socket, c.Control.Group = "/tmp/v.sock", "1000"
			})},
		{"control: {watch_group: wall, pair_group: hall, admin_group: ''}", set(func(c *Config) {
			c.Control.WatchGroup, c.Control.PairGroup, c.Control.AdminGroup = "wall", "hall", ""
		})},
		{"control: {group: \"\"}\nlog: {level: warn}", set(func(c *Config) {
			c.Control.Group, c.Log.Level = "", slog.LevelWarn
		})},
		{"hooks:\n  ring: [/bin/sh, -c, \"a\\nb\", 1, '']\n  ended:\n  - /bin/true\n  missed: [/a]\n  text: [/b, c]\n",
			set(func(c *Config) {
				c.Hooks = Hooks{Ring: []string{"/bin/sh", "-c", "a\nb", "1", ""}, Ended: []string{"/bin/true"},
					Missed: []string{"/a"}, Text: []string{"/b", "c"}}
			})},
	} {
		t.Run(fmt.Sprintf("%.60q", tt.file), func(t *testing.T) {
			got, err := Parse("vchat.yaml", []byte(tt.file))
			if (err == nil) != (tt.want != nil) {
				t.Errorf("got error %v, want one: %v", err, tt.want == nil)
			} else if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(Config{})); diff != "" {
				t.Errorf("Parse (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "vchat.yaml")

	got, err := Load(path)
	defaults := Default()
	defaults.File = path
	if diff := cmp.Diff(defaults, got, cmpopts.IgnoreUnexported(Config{})); err != nil || diff != "" {
		t.Errorf("missing file: got %v, want Default (-want +got):\n%s", err, diff)
	}

	if _, err := Load(dir); err == nil || errors.As(err, new(Errors)) || !errors.Is(err, smallfile.ErrNotRegular) {
		t.Errorf("directory: got %v, want ErrNotRegular", err)
	}

	write := func(s string) {
		if err := os.WriteFile(path, []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("name: kitchen\n")
	if got, err := Load(path); err != nil || got.Name != "kitchen" {
		t.Errorf("got %v, %v; want the name kitchen", got, err)
	}

	write("nam: kitchen\nlog: {level: loud}\n")
	_, err = Load(path)
	var faults Errors
	if !errors.As(err, &faults) {
		t.Fatalf("got %v, want Errors", err)
	}
	want := Errors{
		{path, 1, 1, `unknown key "nam": did you mean "name"?`},
		{path, 2, 14, `log.level must be debug, info, warn or error, not "loud"`},
	}
	if diff := cmp.Diff(want, faults); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}

	write(strings.Repeat("#", maxFile))
	if _, err := Load(path); err != nil {
		t.Errorf("file of the maximum size: got %v", err)
	}
	write(strings.Repeat("#", maxFile+1))
	if _, err := Load(path); err == nil || err.Error() != path+":1:1: the file is larger than 1 MiB" {
		t.Errorf("larger file: got %v, want a fault", err)
	}
}

// A large file of another format gives maxFaults faults.
func TestParse_manyFaults(t *testing.T) {
	_, err := Parse("f", []byte(strings.Repeat("a: b\n", maxFile/5)))
	var faults Errors
	if !errors.As(err, &faults) || len(faults) != maxFaults {
		t.Errorf("got %d faults, want %d", len(faults), maxFaults)
	}
}

// A nil decoder causes a panic. No file is known that makes the YAML library
// panic.
func TestDecode_panic(t *testing.T) {
	r := &reader{file: "f"}
	doc := r.decode(nil, nil)
	if diff := cmp.Diff(Errors{{"f", 1, 1, "invalid YAML"}}, r.faults); doc != nil || diff != "" {
		t.Errorf("got document %v, faults (-want +got):\n%s", doc, diff)
	}
}

// The file would expand to 10^9 texts if aliases were followed.
func TestParse_aliasBomb(t *testing.T) {
	file := "hooks:\n  ring: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'j'; c++ {
		alias := "*" + string(c-1) + ","
		file += "  ring: &" + string(c) + " [" + strings.Repeat(alias, 10) + "]\n"
	}
	_, err := Parse("f", []byte(file))
	var faults Errors
	if !errors.As(err, &faults) {
		t.Fatalf("got %v, want Errors", err)
	}
	count := 0
	for _, f := range faults {
		if f.Message == aliasesText {
			count++
		}
	}
	if want := 9 + 8*10; count != want { // each anchor and each alias
		t.Errorf("got %d faults of anchors and aliases, want %d:\n%v", count, want, err)
	}
}

func TestDefault_name(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Skip(err)
	}
	got := Default().Name
	if deviceName(got) != nil || strings.Contains(got, ".") || !strings.HasPrefix(host, got) && got != "vchat" {
		t.Errorf("got name %q of host %q, want its part before the first dot", got, host)
	}
}

// All packages may import config, so it imports no other packages of vchat than
// the leaves that open files and parse the URL of a proxy.
func TestImports(t *testing.T) {
	pkg, err := build.ImportDir(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(pkg.Imports, func(s string) bool {
		return strings.HasPrefix(s, "vchat/") && s != "vchat/daemon/smallfile" && s != "vchat/daemon/socks"
	}); i >= 0 {
		t.Errorf("got import %s, want none of vchat but daemon/smallfile and daemon/socks", pkg.Imports[i])
	}
}

// This device's own id is a fault of the peer that has it, wherever it stands.
func TestLoadFor_ownID(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vchat.yaml")
	file := "state_dir: /srv/state\npeers:\n  attic: {id: " + atticID + "}\n  workshop:\n    id: " +
		strings.ToLower(workshopID) + "\n"
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, own, want string }{
		{"other id", countingID, ""},
		{"unknown", "", ""},
		{"own id", workshopID, path + ":5:9: peers.workshop.id is " + OwnIDText},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := LoadFor(path, func(dir string) string {
				if dir != "/srv/state" {
					t.Errorf("got state directory %q, want /srv/state", dir)
				}
				return tt.own
			})
			if got := fmt.Sprint(err); got != tt.want && (tt.want != "" || err != nil) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestLine(t *testing.T) {
	c, err := Parse("f", []byte("camera:\n  device:\n  fps: 30\n  controls: {gain: 1,\n    focus_absolute: 3}\n"+
		"peers:\n  den:\n    id: "+workshopID+"\n    auto_answer: no\n"))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"camera": 1, "camera device": 0, "camera fps": 3, "camera size": 0, "camera controls gain": 4,
		"camera controls focus_absolute": 5, "peers den": 7, "peers den auto_answer": 9, "peers den address": 0,
		"peers DEN": 0, "": 0,
	} {
		if got := c.Line(strings.Fields(path)...); got != want {
			t.Errorf("%q: got line %d, want %d", path, got, want)
		}
	}
	if got := Default().Line("camera"); got != 0 {
		t.Errorf("no file: got line %d, want 0", got)
	}
}
