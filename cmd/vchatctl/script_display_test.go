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

// display is an X server for a script: without an argument it begins, and "gone" ends it. "shows" waits for a frame in the
// middle of it, and "types" presses a key. A script begins with [!xvfb] skip.
func display(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 0 {
		startDisplay(ts)
		return
	}
	if args[0] == "gone" {
		ts.Check(ts.Value("world").(*world).display.Kill())
		return
	}
	conn, err := xgb.NewConnDisplay(ts.Getenv("DISPLAY"))
	ts.Check(err)
	defer conn.Close()
	screen := xproto.Setup(conn).DefaultScreen(conn)
	switch args[0] {
	case "shows":
		for range 3000 {
			middle, err := xproto.GetImage(conn, xproto.ImageFormatZPixmap, xproto.Drawable(screen.Root),
				int16(screen.WidthInPixels/2), int16(screen.HeightInPixels/2), 1, 1, 0xffffff).Reply()
			ts.Check(err)
			if xgb.Get32(middle.Data) != 0 {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		ts.Fatalf("nothing is shown")
	case "types": // a keysym of ASCII
		ts.Check(xtest.Init(conn))
		setup := xproto.Setup(conn)
		keys, err := xproto.GetKeyboardMapping(conn, setup.MinKeycode, byte(setup.MaxKeycode-setup.MinKeycode+1)).Reply()
		ts.Check(err)
		for i := 0; i < len(keys.Keysyms); i += int(keys.KeysymsPerKeycode) {
			if keys.Keysyms[i] == xproto.Keysym(args[1][0]) {
				code := byte(setup.MinKeycode) + byte(i/int(keys.KeysymsPerKeycode))
				xtest.FakeInput(conn, xproto.KeyPress, code, 0, screen.Root, 0, 0, 0)
				ts.Check(xtest.FakeInputChecked(conn, xproto.KeyRelease, code, 0, screen.Root, 0, 0, 0).Check())
				return
			}
		}
		ts.Fatalf("no key is %s", args[1])
	default:
		ts.Fatalf("display does not know %s", args[0])
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
	ts.Value("world").(*world).display = server.Process
	ts.Setenv("DISPLAY", ":"+strings.TrimSpace(number))
}
