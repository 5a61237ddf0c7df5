package logging

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fakeJournal is journald: a native socket, and a stream for standard error.
type fakeJournal struct {
	path   string
	native *net.UnixConn
	stream *os.File // the end of journald
	log    *slog.Logger
}

func newFakeJournal(t *testing.T) *fakeJournal {
	t.Helper()
	j := &fakeJournal{path: filepath.Join(t.TempDir(), "socket")}
	var err error
	if j.native, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: j.path, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(ends[0], true); err != nil {
		t.Fatal(err)
	}
	j.stream = os.NewFile(uintptr(ends[0]), "stream")
	s := newJournalSink(j.path, "vchatd", ends[1])
	j.log = slog.New(&lineHandler{sink: s, level: slog.LevelInfo})
	t.Cleanup(func() {
		j.native.Close()
		j.stream.Close()
		unix.Close(ends[1])
		unix.Close(s.socket)
	})
	return j
}

// record returns the next record on the native socket.
func (j *fakeJournal) record(t *testing.T) string {
	t.Helper()
	b := make([]byte, 1<<18)
	_ = j.native.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := j.native.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestNewJournal(t *testing.T) {
	j := newFakeJournal(t)
	j.log.With("peer", "workshop").Warn("link down", "err", errors.New("a\nPEER=evil\x1b[2J"), "device", "/dev/video0",
		slog.Group("g", "low-rate", 3))
	want := `MESSAGE=link down peer=workshop err="a\nPEER=evil\x1b[2J" device=/dev/video0 g.low-rate=3
PRIORITY=4
SYSLOG_IDENTIFIER=vchatd
PEER=workshop
VCHAT_ERR=a\nPEER=evil\x1b[2J
CAMERA=/dev/video0
VCHAT_G_LOW_RATE=3
`
	if got := j.record(t); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	j.log.Info("call", "call_id", "0102")
	if got := j.record(t); !strings.Contains(got, "\nCALL_ID=0102\n") {
		t.Errorf("got\n%s\nwant the call's id", got)
	}
	j.log.Info("long", "text", strings.Repeat("x", 1<<20))
	if got := j.record(t); len(got) > 3*maxValue {
		t.Errorf("got %d bytes, want a shortened value", len(got))
	}
}

// TestNewJournal_missing loses the native socket: the lines go to the stream.
func TestNewJournal_missing(t *testing.T) {
	j := newFakeJournal(t)
	if err := os.Remove(j.path); err != nil {
		t.Fatal(err)
	}
	j.log.Error("camera lost", "device", "/dev/video0")
	b := make([]byte, 1024)
	n, err := j.stream.Read(b)
	if want := "<3>camera lost device=/dev/video0\n"; err != nil || string(b[:n]) != want {
		t.Errorf("got %q, %v, want %q", b[:n], err, want)
	}
}

// TestNewJournal_stuck fills the queues of a journald that does not read. Then
// it reads again, and learns how many records are lost.
func TestNewJournal_stuck(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(*fakeJournal)
		read    func(t *testing.T, j *fakeJournal) string
	}{
		{"native", func(*fakeJournal) {}, func(t *testing.T, j *fakeJournal) string { return j.record(t) }},
		{"stream", func(j *fakeJournal) { j.native.Close() }, func(t *testing.T, j *fakeJournal) string {
			b := make([]byte, 1<<16)
			n, err := j.stream.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			return string(b[:n])
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := newFakeJournal(t)
			tt.prepare(j)
			for range 20000 { // far more than the queues hold: waiting would not end
				j.log.Info("flood", "text", strings.Repeat("x", 100))
			}
			for range 1000 {
				tt.read(t, j)
				j.log.Info("again")
				if strings.Contains(tt.read(t, j), "lines_dropped=") {
					return
				}
			}
			t.Error("got no number of dropped records")
		})
	}
}
