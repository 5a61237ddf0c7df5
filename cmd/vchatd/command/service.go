package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"

	"vchat/daemon"
	"vchat/daemon/configfile"
	"vchat/daemon/logging"
	"vchat/daemon/tune"
)

// service runs the daemon, for a person or for systemd.
//
// What happens when it cannot start:
//
//	configuration, key, state ── exit 78: systemd does not restart it
//	crashes all the time      ── waits: see restarts.go
//	port or socket in use     ── exit 69; restarted by systemd, it waits for
//	                             them and tries again, with longer pauses
//
// In both cases the clients of an inherited control socket get the cause.
type service struct {
	path      string
	hup       chan os.Signal
	inJournal bool
	level     *slog.LevelVar
	log       *slog.Logger
	socket    *net.UnixListener // from systemd; nil: none
}

const (
	quietTime    = 200 * time.Millisecond // without a further client, before the exit
	refuseTime   = 2 * time.Second        // for all clients, before the exit
	minRetry     = 500 * time.Millisecond
	maxRetry     = 30 * time.Second
	startTimeout = 10 * time.Second // for systemd, beyond the pause
)

func (s *service) run(ctx context.Context, stderr io.Writer) int {
	var err error
	if s.socket, err = daemon.InheritedSocket(); err != nil {
		return s.fail(ctx, err)
	}
	if !s.awaitRestart(ctx) {
		return exitDone
	}
	file := configfile.New(s.path, daemon.OwnID)
	cfg, refused, err := file.Start()
	if err != nil {
		if !s.inJournal {
			fmt.Fprintln(stderr, err) // one line per fault, FILE:LINE:COL: message
		} else {
			for line := range strings.Lines(err.Error()) {
				s.log.Error(strings.TrimSpace(line))
			}
		}
		s.refuse(ctx, err)
		return exitConfig
	}
	if _, err := os.Stat(s.path); err != nil && refused == nil {
		s.log.Warn("no configuration file, using defaults", "path", s.path)
	}
	var d *daemon.Daemon
	patient := s.wasUnavailable()
	for pause := minRetry; ; pause = min(2*pause, maxRetry) {
		if d == nil {
			if d, err = daemon.New(cfg, s.log, s.level); err == nil {
				d.UseFile(file, refused)
				d.UseSocket(s.socket)
				go s.whenReady(d)
			}
		}
		if d != nil {
			err = d.Run(ctx)
		}
		switch {
		case err == nil:
			return exitDone
		case !errors.Is(err, daemon.ErrUnavailable) || !patient || isReady(d):
			return s.fail(ctx, err)
		case pause == minRetry:
			s.log.Error("vchatd cannot start; waiting", "err", err)
		}
		if !s.wait(ctx, err, pause) {
			return exitDone
		}
	}
}

// whenReady tunes the runtime, which stops all goroutines for a moment and so
// would delay the start, and reloads the configuration on SIGHUP. It ends with
// the process.
func (s *service) whenReady(d *daemon.Daemon) {
	<-d.Ready()
	tune.Start()
	for range s.hup {
		_, _ = d.ReloadFile() // it reports the result itself
	}
}

func isReady(d *daemon.Daemon) bool {
	if d == nil {
		return false
	}
	select {
	case <-d.Ready():
		return true
	default:
		return false
	}
}

// fail logs err, sends it to clients and returns its exit code.
func (s *service) fail(ctx context.Context, err error) int {
	s.log.Error("vchatd failed", "err", err)
	code := exitCode(err)
	if code == exitUnavailable {
		s.markUnavailable()
	}
	s.refuse(ctx, err)
	return code
}

// refuse answers the clients that wait for this start with the cause.
func (s *service) refuse(ctx context.Context, err error) {
	if s.socket == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, refuseTime)
	defer cancel()
	daemon.RefuseClients(ctx, s.socket, err, quietTime)
}

// wait waits before the next try. Systemd and clients get the cause. It reports
// false when ctx has ended. A SIGHUP ends it early.
func (s *service) wait(ctx context.Context, err error, pause time.Duration) bool {
	_, _ = sd.SdNotify(false, fmt.Sprintf("STATUS=%s; next try in %v\nEXTEND_TIMEOUT_USEC=%d",
		logging.Printable(err.Error()), pause, (pause+startTimeout).Microseconds()))
	waiting, cancel := context.WithTimeout(ctx, pause)
	defer cancel()
	hungUp := make(chan struct{})
	go func() {
		defer close(hungUp)
		select {
		case <-s.hup:
			cancel()
		case <-waiting.Done():
		}
	}()
	if s.socket != nil {
		daemon.RefuseClients(waiting, s.socket, err, 0)
	}
	<-waiting.Done()
	<-hungUp
	return ctx.Err() == nil
}

// A process that exits with 69 leaves a mark, which the next one takes away. So
// vchatd knows that systemd restarts it. It then waits instead of failing all
// the time: each failure would write six lines into the journal. A start by a
// person still fails at once.
const (
	markName = "unavailable"
	markAge  = time.Minute // RestartSec=, and a slow and busy board
)

func (s *service) markUnavailable() {
	if path := runtimePath(markName); path != "" {
		_ = os.WriteFile(path, []byte(strconv.FormatInt(int64(bootTime()), 10)), 0o600)
	}
}

// wasUnavailable reports whether the process before this one has just failed,
// and removes its mark.
func (s *service) wasUnavailable() bool {
	path := runtimePath(markName)
	if path == "" {
		return false
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	_ = os.Remove(path)
	at, err := strconv.ParseInt(string(text), 10, 64)
	age := bootTime() - time.Duration(at) // not by the wall clock: that of a board without a battery jumps
	return err == nil && age >= 0 && age < markAge
}
