// Package command is the program vchatd: it runs the camera, the links to peers
// and the calls of this device, and serves the control socket.
//
// Vchatd also starts itself as the runner of a camera command or a hook: see
// packages daemon/sandbox and daemon/hooks.
//
// This package has the table of commands (table.go), parses flags, handles
// signals and chooses the exit code. SIGTERM and SIGINT stop the daemon, a
// second one kills it, SIGHUP reloads the configuration. Package daemon does
// the rest.
package command

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/journal"
	"golang.org/x/term"

	"vchat/config"
	"vchat/daemon"
	"vchat/daemon/demo"
	"vchat/daemon/hooks"
	"vchat/daemon/logging"
	"vchat/daemon/sandbox"
	"vchat/daemon/tune"
)

const defaultConfig = "/etc/vchat.yaml"

// Exit codes. 69 and 78 are those of sysexits.h. The unit does not restart
// vchatd after 78 (RestartPreventExitStatus).
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnavailable = 69 // EX_UNAVAILABLE
	exitConfig      = 78 // EX_CONFIG
)

const exitCodes = `   0  stopped on request
   1  failed
   2  wrong usage
  69  a resource is not available, for example the port is in use
  78  configuration error, or a key or state_dir that cannot be used
`

const (
	aboutDaemon = `An installed package runs the daemon as the service vchatd: systemctl status vchatd. vchatctl
controls it: vchatctl --help. man vchat describes the whole.

The daemon reads FILE. SIGHUP makes it read FILE again, SIGTERM and SIGINT stop it.`
	aboutCheck = `It prints "FILE: ok", or a line FILE:LINE:COLUMN: MESSAGE for each fault. FILE is
` + defaultConfig + ` unless given.`
	aboutDemo = `Both devices, alice and bob, run in this process with a test pattern as their camera. alice calls
bob, who answers by himself. The command prints how to watch them. The exit code is 0 if frames
flowed both ways.`
	aboutNewID = `Needed after a memory card was cloned, and if another person has read the key. Stop the daemon
first. Its peers refuse the new id until they know it: pair with them again. The old key stays
beside the new one.`
)

// Main runs vchatd with the arguments of this process, and returns the exit
// code.
func Main() int {
	if code, isRunner := sandbox.Main(os.Args); isRunner {
		return code
	}
	if code, isRunner := hooks.Main(os.Args); isRunner {
		return code
	}
	return run(os.Args[1:], os.Stdout, os.Stderr)
}

func run(args []string, stdout, stderr io.Writer) int {
	name := ""
	if len(args) > 0 && len(args[0]) > 0 && args[0][0] != '-' {
		name, args = args[0], args[1:]
	}
	c, ok := find(name)
	if !ok {
		fmt.Fprintf(stderr, "vchatd: error: unknown command %q\n%s", name, usage())
		return exitUsage
	}
	return c.run(args, stdout, stderr)
}

func defineVersion(*flag.FlagSet) func(invocation) int {
	return func(in invocation) int {
		fmt.Fprintf(in.stdout, "vchatd %s (%s, %s/%s)\n", daemon.Version, runtime.Version(), runtime.GOOS,
			runtime.GOARCH)
		return exitDone
	}
}

func defineHelp(*flag.FlagSet) func(invocation) int {
	return func(in invocation) int {
		c, ok := find(strings.Join(in.args, " "))
		if !ok {
			return in.fail(exitUsage, "unknown command %q", in.args[0])
		}
		fmt.Fprint(in.stdout, c.help())
		return exitDone
	}
}

func defineDaemon(fs *flag.FlagSet) func(invocation) int {
	path := fs.String("config", defaultConfig, "configuration `FILE`")
	version := fs.Bool("version", false, "print the version")
	fs.BoolVar(version, "v", false, "")
	return func(in invocation) int {
		if *version {
			return defineVersion(fs)(in)
		}
		return serve(*path, in.stderr)
	}
}

func serve(path string, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal kills the process
	s := service{path: path, hup: make(chan os.Signal, 1), level: new(slog.LevelVar)}
	signal.Notify(s.hup, syscall.SIGHUP) // now: an unhandled SIGHUP kills the process
	s.inJournal, _ = journal.StderrIsJournalStream()
	if s.log = logging.New(stderr, s.level); s.inJournal {
		s.log = logging.NewJournal(s.level, "vchatd", syscall.Stderr)
	}
	code := s.run(ctx, stderr)
	if code == exitDone || code == exitConfig {
		forgetRestarts()
	}
	return code
}

// exitCode returns the exit code for an error of package daemon.
func exitCode(err error) int {
	if errors.Is(err, daemon.ErrUnavailable) {
		return exitUnavailable
	}
	if errors.Is(err, daemon.ErrNoKey) || errors.Is(err, daemon.ErrState) || errors.Is(err, daemon.ErrSockets) {
		return exitConfig
	}
	return exitFailed
}

// configError prints one line per fault, FILE:LINE:COL: message, and returns
// the exit code.
func configError(err error, stderr io.Writer) int {
	fmt.Fprintln(stderr, err)
	return exitConfig
}

func defineCheck(fs *flag.FlagSet) func(invocation) int {
	file := fs.String("config", "", "")
	return func(in invocation) int {
		if *file != "" && len(in.args) == 1 {
			return in.fail(exitUsage, "unexpected argument %q", in.args[0])
		}
		return checkConfig(cmp.Or(*file, strings.Join(in.args, "")), in)
	}
}

// checkConfig checks the named file; "" is the default one.
func checkConfig(named string, in invocation) int {
	path := cmp.Or(named, defaultConfig)
	if _, err := os.Stat(path); err != nil && named != "" {
		var fault *fs.PathError // its text begins with the system call
		if errors.As(err, &fault) {
			err = fmt.Errorf("%s: %w", fault.Path, fault.Err)
		}
		return in.fail(exitConfig, "%v", err)
	} else if err != nil { // without the default file vchatd runs with the defaults
		fmt.Fprintf(in.stderr, "vchatd: no %s, using defaults\n", path)
	}
	cfg, err := config.LoadFor(path, daemon.OwnID)
	if err != nil {
		return configError(err, in.stderr)
	}
	for _, w := range daemon.Warnings(cfg) {
		fmt.Fprintf(in.stderr, "%s: warning: %s\n", path, w)
	}
	fmt.Fprintf(in.stdout, "%s: ok\n", path)
	return exitDone
}

func defineNewID(fs *flag.FlagSet) func(invocation) int {
	path := fs.String("config", defaultConfig, "configuration `FILE`")
	return func(in invocation) int { return newID(*path, in) }
}

// newID prints the old id and the new one. A configuration with this device's
// own id as a peer is the reason to come here, so it is no fault.
func newID(path string, in invocation) int {
	cfg, err := config.Load(path)
	if err != nil {
		return configError(err, in.stderr)
	}
	k, err := daemon.NewID(cfg)
	if err != nil {
		return in.fail(exitCode(err), "%v", err)
	}
	fmt.Fprintf(in.stdout, "old id: %s\nnew id: %s\n", cmp.Or(k.OldID, "none"), k.ID)
	if k.Kept != "" {
		fmt.Fprintf(in.stderr, "vchatd: the old key is kept in %s\n", k.Kept)
	}
	fmt.Fprintln(in.stderr, "vchatd: put the new id under peers on the other devices, then start vchatd")
	return exitDone
}

func defineDemo(fs *flag.FlagSet) func(invocation) int {
	var o demo.Options
	fs.DurationVar(&o.For, "for", 0, "stop after `DURATION`, such as 8s; otherwise at Ctrl-C")
	fs.StringVar(&o.Dir, "dir", "", "`DIR` for the control sockets, alice.sock and bob.sock, and the state")
	return func(in invocation) int { return runDemo(o, in) }
}

func runDemo(o demo.Options, in invocation) int {
	if o.For < 0 {
		return in.fail(exitUsage, "--for must be a positive duration such as 8s, not %v", o.For)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop)
	out, isFile := in.stdout.(*os.File)
	o.Out, o.TTY = in.stdout, isFile && term.IsTerminal(int(out.Fd()))
	o.Log = logging.New(in.stderr, slog.LevelWarn)
	defer tune.Start()()
	if err := demo.Run(ctx, o); err != nil {
		return in.fail(exitCode(err), "%v", err)
	}
	return exitDone
}
