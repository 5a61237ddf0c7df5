package doctor

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"unicode"

	"vchat/daemon/api"
)

const (
	ownID  = "XCPZR-QG6IN-AAAAA-BBBBB-CCCCC-DDDDD-EEEEE-FFFFF-GGGGG-HHHHH-IIIII-JJJJJ"
	peerID = "NFHF7-52UMS-YGTHJ-MOKH6-RONYD-RQN3Y-F7YQO-QZZ6E-DGIIT-RLUAN-4LSRU-SFAZZ"
)

// hostile returns a device with values that are hard to find and remove, and
// those of them that must not be in a report.
func hostile(name string) (*System, *fakeDaemon, []string) {
	s, files := machine()
	s.User = "annabelle"
	s.GIDs = []int{1000}
	files["proc/sys/kernel/hostname"] = file("Kitchen-Of-Anna.home.arpa\n")
	files["etc/group"] = file("vchat:x:990:annabelle\n")
	files["proc/812/comm"] = file("my-program\n")
	delete(files, "sys/class/net/wlan0/operstate")
	files["sys/class/net/wlx00c0caabcdef/operstate"] = file("up")
	files["sys/class/net/wlx00c0caabcdef/phy80211/index"] = file("0")
	s.PowerSave = func(string) (bool, error) { return true, nil }
	d := running()
	d.fps = 0
	st := &d.status
	st.Name, st.ID = "Grandma's π", ownID
	st.Camera = api.Camera{
		Device: "exec:ffmpeg -i rtsp://admin:hunter2@10.1.2.3/ch1 -", Name: "",
		Reason: `camera command stopped: rtsp://admin:hunter2@10.1.2.3/ch1: "secret words \" of it" 401, see ` +
			`/home/annabelle/my videos/log.txt and /dev/v4l/by-id/usb-046d_C920_5E1A2B3C-video-index0 ` +
			`from de:ad:be:ef:00:01`,
	}
	d.diagnosis.Camera.Device = st.Camera.Device
	d.diagnosis.ConfigFile = "/home/annabelle/my conf/vchat.yaml"
	d.diagnosis.StateDir.Path = "/srv/annas state"
	st.Peers = []api.Peer{
		{Name: name, ID: peerID, Address: "wörkshop.fritz.box:7450"},
		{Name: name + "2", ID: strings.ToLower(peerID), Address: "[fe80::dead:1%wlan0]:7450"},
	}
	d.probes = map[string]api.Probe{
		name: {Failed: api.ProbeConnect, Reason: "connect to wörkshop.fritz.box:7450 (192.168.178.31:7450): " +
			"lookup wörkshop.fritz.box on 192.168.178.1:53: no such host; lookup unknown.corp.example"},
		name + "2": {Failed: api.ProbeIdentity, Hint: "ask " + name, Reason: "peer key mismatch: expected " + peerID +
			", got NFHF7-52UMS-… at [fe80::dead:1%wlan0]:7450; 2001:db8::5:7450 WÖRKSHOP.FRITZ.BOX"},
	}
	st.Refused = []api.Refused{{ID: "STRAN-GEREE", Name: "Burglar van", Address: "203.0.113.9:40000"}}
	st.Problems = []api.Problem{
		{Subject: "config", File: d.diagnosis.ConfigFile, Line: 2, Column: 1, Message: "peers.uncle-joe: secret key"},
		{Subject: "identity", Message: "another device has this device's id; seen by " + name + " at Burglar van, " +
			"kitchen-of-anna"},
	}
	secret := []string{
		"annabelle", "anna", "kitchen-of", "home.arpa", "grandma", "xcpzr", "nfhf7", "hunter2", "10.1.2.3", "rtsp",
		"secret", "my videos", "log.txt", "5e1a2b3c", "de:ad:be", "my conf", "annas state", "wörkshop", "fritz",
		"192.168", "unknown.corp", "fe80", "2001:db8", "stran-", "burglar", "203.0.113", "uncle", "00c0caabcdef",
		"/home",
	}
	return s, d, secret
}

func TestReport_leaksNothing(t *testing.T) {
	for _, name := range []string{
		"uncle-joe", "attic", "peer-1", "peer-2", "host-1", "a.b", "x", "camera", "a+(b", "ok", "Zoë's", "-", "1",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d, secret := hostile(name)
				r := Run(t.Context(), s, d, "/home/annabelle/my conf/c.sock")
				got := r.Report()
				b, err := json.Marshal(got)
				if err != nil {
					t.Fatal(err)
				}
				text := strings.ToLower(s.Head() + lines(got) + string(b))
				for _, x := range secret {
					if strings.Contains(text, x) {
						t.Errorf("got %q in the report: %s", x, lines(got))
					}
				}
				// Each peer has one placeholder; the name of it may be that of
				// another placeholder, or a common word of ours.
				for _, x := range got.Findings {
					for _, field := range []string{x.Name, x.Message, x.Hint} {
						if hasWord(field, name) && !strings.HasPrefix(name, "peer-") && !strings.HasPrefix(name,
							"host-") {
							t.Errorf("got the name of the peer in %q", field)
						}
					}
				}
				want := map[string]bool{"peer-1": true, "peer-2": true}
				for _, x := range got.Findings {
					if x.Subject == "peer" {
						delete(want, x.Name)
					}
				}
				if len(want) > 0 {
					t.Errorf("got no finding of %v: %s", want, lines(got))
				}
				if lines(r) == lines(got) || !strings.Contains(lines(r), name) {
					t.Error("the report has changed the result itself")
				}
			})
		})
	}
}

// hasWord reports whether a text has a name as a word of its own.
func hasWord(text, name string) bool {
	for i := range text {
		rest, ok := strings.CutPrefix(text[i:], name)
		before, after := []rune(" "+text[:i]), []rune(rest+" ")
		if ok && !isWord(before[len(before)-1]) && !isWord(after[0]) && unicode.IsLetter([]rune(name)[0]) {
			return true
		}
	}
	return false
}

// The same value has the same placeholder, and what helps stays.
func TestHide(t *testing.T) {
	s := secrets{}
	for i, name := range []string{"attic", "attic2", "Zoë", "ab", `"quote`} {
		s.add(name, fmt.Sprintf("peer-%d", i+1))
	}
	for _, tt := range []struct{ text, want string }{
		{"attic and attic2 and ATTIC", "peer-1 and peer-2 and peer-1"},
		{"zOË, ab, cab, abc", "peer-3, peer-4, cab, abc"},
		{"connect to attic.local:7450 (192.0.2.7:7450): connect: connection refused",
			"connect to peer-1.local:7450 (IP): connect: connection refused"},
		{"[2001:db8::1]:7450, 2001:db8::1, fe80::1%eth0", "IP, IP, IP"},
		{"peer \"Bert's \\\"Pi\\\"\" supports version 2", `peer "…" supports version 2`},
		{"at /dev/video0 and /var/lib/vchat/key and /etc/vchat.yaml:3:1", "at /dev/video0 and /var/lib/vchat/key and " +
			"/etc/vchat.yaml:3:1"},
		{"/etc/../home/bert and /root/x", "/… and /…"},
		{"delivers mjpeg 1280x720 at 29.9 frames a second, 30.0 ms",
			"delivers mjpeg 1280x720 at 29.9 frames a second, 30.0 ms"},
		{"lookup x on 10.255.255.53:53: no such host, see fe80::.", "lookup x on IP: no such host, see IP."},
		{"let avahi-daemon run; key XCPZR-QG6IN-AAAAA, XCPZR-…, xcpzr-qg6in-aaaaa",
			"let avahi-daemon run; key ID…, ID…, ID…"},
		{"wlx00c0caabcdef, wlan0, DE-AD-BE-EF-00-01", "wifi…, wlan0, MAC"},
		{"vchatd.service runs vchat 0.1.0; see bert.example.org", "vchatd.service runs vchat 0.1.0; see HOST"},
		{"sudo systemctl enable --now vchatd", "sudo systemctl enable --now vchatd"},
		{`connect to ""quote: closed`, `connect to "…": closed`}, // the form takes the beginning of the name
		{"/var/lib/vchat-attic/key, /run/vchat/attic2, my-attic.yaml",
			"/var/lib/vchat-peer-1/key, /run/vchat/peer-2, my-peer-1.yaml"},
	} {
		if got := s.hide(tt.text); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
