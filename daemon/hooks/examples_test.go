package hooks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vchat/daemon/api"
)

// example returns the path of a file in packaging/examples.
func example(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs("../../packaging/examples/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// fakeTool puts a program before those of the system. It appends its arguments
// to the file calls, as a line, and runs script.
func (r *rig) fakeTool(name, script string) {
	r.t.Helper()
	path := r.script(name, `echo "`+name+` $*" >>calls; `+script)
	r.t.Setenv("PATH", filepath.Dir(path)+":"+os.Getenv("PATH"))
}

// calls waits for the calls of the fake tools, and returns the first n.
func (r *rig) calls(n int) (lines []string) {
	r.t.Helper()
	r.wait(fmt.Sprintf("%d calls", n), func() bool {
		b, _ := os.ReadFile(filepath.Join(r.dir, "calls"))
		lines = strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
		return strings.Count(string(b), "\n") >= n
	})
	return lines[:n]
}

func needTool(t *testing.T, name, debian string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil && os.Getenv("VCHAT_TEST_TOOLS") != "" {
		t.Fatalf("%s is missing: install %s", name, debian)
	} else if err != nil {
		t.Skipf("needs %s of Debian's %s", name, debian)
	}
}

func TestExample_doorbell(t *testing.T) {
	r := newRig(t)
	r.fakeTool("aplay", "exec sleep 0.1")
	r.Configure(Config{Commands: map[Kind][]string{Ring: {example(t, "vchat-doorbell"), "bell.wav"}}})
	r.Publish(callEvent(api.CallIncoming))
	if diff := cmp.Diff([]string{"aplay -q bell.wav", "aplay -q bell.wav"}, r.calls(2)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r.Publish(callEvent(api.CallActive))
	r.wait("silence", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.running) == 0
	})
}

func TestExample_light(t *testing.T) {
	for _, tt := range []struct{ version, on, off, last string }{
		{"gpioset (libgpiod) v1.6.3", "gpioset --mode=time --usec=500000 gpiochip0 17=1",
			"gpioset --mode=time --usec=500000 gpiochip0 17=0", "gpioset --mode=time --usec=1000 gpiochip0 17=0"},
		{"gpioset (libgpiod) v2.2.1", "gpioset --chip gpiochip0 --toggle 500ms,0 17=1",
			"gpioset --chip gpiochip0 --toggle 500000us,0 17=0", "gpioset --chip gpiochip0 --toggle 1000us,0 17=0"},
	} {
		t.Run(tt.version[strings.Index(tt.version, ") ")+2:], func(t *testing.T) {
			r := newRig(t)
			r.fakeTool("gpioset", `[ "$1" != --version ] || { echo "`+tt.version+`"; exit; }; exec sleep 0.1`)
			r.Configure(Config{Commands: map[Kind][]string{Ring: {example(t, "vchat-light"), "gpiochip0", "17"}}})
			r.Publish(callEvent(api.CallIncoming))
			want := []string{"gpioset --version", tt.on, tt.off, tt.on}
			if diff := cmp.Diff(want, r.calls(4)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			r.Publish(callEvent(api.CallActive))
			r.wait("the light to be off", func() bool {
				b, _ := os.ReadFile(filepath.Join(r.dir, "calls"))
				return strings.HasSuffix(string(b), tt.last+"\n")
			})
		})
	}
}

func TestExample_button(t *testing.T) {
	for _, tt := range []struct{ version, wait string }{
		{"gpiomon (libgpiod) v1.6.3", "gpiomon --silent --num-events=1 --falling-edge --bias=pull-up gpiochip0 17"},
		{"gpiomon (libgpiod) v2.2.1", "gpiomon --quiet --num-events 1 --edges falling --bias pull-up " +
			"--chip gpiochip0 17"},
	} {
		t.Run(tt.version[strings.Index(tt.version, ") ")+2:], func(t *testing.T) {
			r := newRig(t)
			// Two presses, the first one while a call rings.
			r.fakeTool("gpiomon", `[ "$1" != --version ] || { echo "`+tt.version+`"; exit; }
				[ ! -e pressed2 ]; code=$?; [ ! -e pressed ] || touch pressed2; touch pressed; exit $code`)
			r.fakeTool("vchatctl", `[ "$1" = hangup ] || [ ! -e answered ] || exit 5; touch answered`)
			out, err := exec.Command(example(t, "vchat-button"), "gpiochip0", "17").CombinedOutput()
			if err == nil { // that of gpiomon
				t.Logf("output: %s", out)
			}
			want := []string{"gpiomon --version", tt.wait, "vchatctl answer", tt.wait, "vchatctl answer",
				"vchatctl hangup", tt.wait}
			if diff := cmp.Diff(want, r.calls(len(want))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestExample_ntfy(t *testing.T) {
	needTool(t, "curl", "curl")
	type message struct{ Path, Title, Token, Body string }
	messages := make(chan message, 8)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		b, _ := io.ReadAll(q.Body)
		messages <- message{q.URL.Path, q.Header.Get("Title"), q.Header.Get("Authorization"), string(b)}
	}))
	defer server.Close()
	t.Setenv("NTFY_TOKEN", "tk_1")
	t.Setenv("http_proxy", "")
	r := newRig(t)
	argv := []string{example(t, "vchat-ntfy"), server.URL + "/mytopic"}
	r.Configure(Config{Name: "kitchen", Commands: map[Kind][]string{Ring: argv, Missed: argv, Text: argv, Ended: argv}})
	expect := func(e api.Event, want ...string) {
		t.Helper()
		r.Publish(e)
		for range want {
			select {
			case got := <-messages:
				if got.Path != "/mytopic" || got.Title != "kitchen" || got.Token != "Bearer tk_1" ||
					!strings.Contains(strings.Join(want, "\n"), got.Body) {
					t.Errorf("got %+v, want one of %q", got, want)
				}
			case <-time.After(waitTimeout):
				t.Fatalf("no message; want %q", want)
			}
		}
	}
	expect(callEvent(api.CallIncoming), "workshop is calling")
	expect(callEvent(api.CallEnded), "ended workshop", "missed call from workshop")
	// curl would read the file, if this were an argument.
	expect(textEvent(`@/etc/passwd "; -o /tmp/x`), `workshop: @/etc/passwd "; -o /tmp/x`)
	// A message that arrives is no failure; one that cannot be sent is.
	server.Close()
	r.Publish(textEvent("lost"))
	r.wait("the failure", r.logged(`msg="hook failed" hook=text`))
}

func TestExample_mqtt(t *testing.T) {
	needTool(t, "mosquitto", "mosquitto")
	needTool(t, "mosquitto_pub", "mosquitto-clients")
	needTool(t, "mosquitto_sub", "mosquitto-clients")
	port := freePort(t)
	background := func(name string, args ...string) io.Reader {
		t.Helper()
		cmd := exec.Command(name, args...)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait()
		})
		return out
	}
	background("mosquitto", "-p", port) // without a file: on loopback, for everybody
	r := newRig(t)
	r.wait("the broker", func() bool {
		return exec.Command("mosquitto_pub", "-p", port, "-t", "up", "-n").Run() == nil
	})
	argv := []string{example(t, "vchat-mqtt"), "-h", "127.0.0.1", "-p", port}
	r.Configure(Config{Name: `the "kitchen"`, Commands: map[Kind][]string{Ring: argv, Answered: argv}})
	r.Publish(callEvent(api.CallIncoming))
	idle := func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.running)+len(r.queue) == 0
	}
	r.wait("the end of the hook", idle)
	read := func(topic string) string { // a retained message
		t.Helper()
		b, err := exec.Command("mosquitto_sub", "-h", "127.0.0.1", "-p", port, "-t", topic, "-C", "1", "-W",
			"30").Output()
		if err != nil {
			t.Fatalf("%s: %v", topic, err)
		}
		return strings.TrimSpace(string(b))
	}
	const device = "the__kitchen_"
	if got := read("vchat/" + device + "/state/ringing"); got != "ON" {
		t.Errorf("ringing: got %s, want ON", got)
	}
	config := read("homeassistant/binary_sensor/vchat_" + device + "/ringing/config")
	for _, want := range []string{
		`"state_topic":"vchat/the__kitchen_/state/ringing"`, `"unique_id":"vchat_the__kitchen__ringing"`,
		`"name":"the \"kitchen\""`,
	} {
		if got := compactJSON(t, config); !strings.Contains(got, want) {
			t.Errorf("discovery: got %s, want %s", got, want)
		}
	}
	r.Publish(callEvent(api.CallActive))
	r.wait("the end of the hook", idle)
	if got := read("vchat/"+device+"/state/ringing") + read("vchat/"+device+"/state/in_call"); got != "OFFON" {
		t.Errorf("ringing and in call: got %s, want OFF and ON", got)
	}
	if strings.Contains(r.log.String(), "hook failed") {
		t.Error("a hook failed")
	}
}

// freePort returns a port that was free a moment ago. It is below the range for
// outgoing connections, of which other tests open thousands.
func freePort(t *testing.T) string {
	t.Helper()
	for {
		port := strconv.Itoa(20000 + rand.N(12000))
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		return port
	}
}

func compactJSON(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(s)); err != nil {
		t.Fatalf("%v in %s", err, s)
	}
	return b.String()
}
