package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"
	"github.com/rogpeppe/go-internal/testscript"
)

// displayCmd is the script command display [kill|wait-frame|key CHAR]. Without
// an argument it starts an X server. kill ends the server, wait-frame waits for
// a pixel that is not black in the middle of the screen, and key presses and
// releases a key. A script that uses it starts with [!xvfb] skip.
func displayCmd(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 0 {
		startDisplay(ts)
		return
	}
	if args[0] == "kill" {
		ts.Check(deviceOf(ts).display.Kill())
		return
	}
	conn, err := xgb.NewConnDisplay(ts.Getenv("DISPLAY"))
	ts.Check(err)
	defer conn.Close()
	screen := xproto.Setup(conn).DefaultScreen(conn)
	switch args[0] {
	case "wait-frame":
		for range 3000 {
			center, err := xproto.GetImage(conn, xproto.ImageFormatZPixmap, xproto.Drawable(screen.Root),
				int16(screen.WidthInPixels/2), int16(screen.HeightInPixels/2), 1, 1, 0xffffff).Reply()
			ts.Check(err)
			if xgb.Get32(center.Data) != 0 {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		ts.Fatalf("the screen stays black")
	case "key": // CHAR: an ASCII character, which is its own keysym
		ts.Check(xtest.Init(conn))
		setup := xproto.Setup(conn)
		count := byte(setup.MaxKeycode - setup.MinKeycode + 1)
		keys, err := xproto.GetKeyboardMapping(conn, setup.MinKeycode, count).Reply()
		ts.Check(err)
		for i := 0; i < len(keys.Keysyms); i += int(keys.KeysymsPerKeycode) {
			if keys.Keysyms[i] == xproto.Keysym(args[1][0]) {
				code := byte(setup.MinKeycode) + byte(i/int(keys.KeysymsPerKeycode))
				xtest.FakeInput(conn, xproto.KeyPress, code, 0, screen.Root, 0, 0, 0)
				ts.Check(xtest.FakeInputChecked(conn, xproto.KeyRelease, code, 0, screen.Root, 0, 0, 0).Check())
				return
			}
		}
		ts.Fatalf("no key for %q", args[1])
	default:
		ts.Fatalf("unknown display command %q", args[0])
	}
}

func startDisplay(ts *testscript.TestScript) {
	r, w, err := os.Pipe()
	ts.Check(err)
	defer r.Close()
	server := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "640x480x24", "-nolisten", "tcp", "-noreset")
	server.ExtraFiles = []*os.File{w}
	err = server.Start()
	w.Close()
	ts.Check(err)
	ts.Defer(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	number, err := bufio.NewReader(r).ReadString('\n')
	ts.Check(err)
	deviceOf(ts).display = server.Process
	ts.Setenv("DISPLAY", ":"+strings.TrimSpace(number))
}
