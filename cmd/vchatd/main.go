// Vchatd is the vchat daemon. It runs the camera, the links to peers and the
// calls of this device, and serves the control socket.
//
//	vchatd [--config FILE]                    run in the foreground
//	vchatd check-config [--config] [FILE]     check a configuration file
//	vchatd demo [--for DURATION] [--dir DIR]  run two devices that call each other
//	vchatd new-id [--config FILE]             give this device a new key and id
//	vchatd version                            print the version
//
// Vchatd also starts itself as the runner of a camera command: see package
// daemon/sandbox.
//
// This package parses flags, handles signals and chooses the exit code. SIGTERM
// and SIGINT stop the daemon, a second one kills it, SIGHUP reloads the
// configuration. Package daemon does the rest.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/coreos/go-systemd/v22/journal"
	"golang.org/x/term"

	"vchat/config"
	"vchat/daemon"
	"vchat/daemon/configfile"
	"vchat/daemon/demo"
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

const usage = `usage: vchatd [--config FILE]                    run the daemon in the foreground
       vchatd check-config [--config] [FILE]     check a configuration file
       vchatd demo [--for DURATION] [--dir DIR]  run two devices that call each other
       vchatd new-id [--config FILE]             give this device a new key and id
       vchatd version                            print the version

FILE is /etc/vchat.yaml by default. SIGHUP reloads it.

exit codes:
   0  stopped on request
   1  failed
   2  wrong usage
  69  a resource is not available, for example the port is in use
  78  configuration error, or a key or state_dir that cannot be used
`

func main() {
	if code, isRunner := sandbox.Main(os.Args); isRunner {
		os.Exit(code)
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	command := ""
	if len(args) == 1 && args[0] == "--version" {
		args = []string{"version"}
	}
	if len(args) > 0 && len(args[0]) > 0 && args[0][0] != '-' {
		command, args = args[0], args[1:]
	}
	switch command {
	case "":
		return serve(args, stdout, stderr)
	case "check-config":
		return checkConfig(args, stdout, stderr)
	case "new-id":
		return newID(args, stdout, stderr)
	case "demo":
		return runDemo(args, stdout, stderr)
	case "version", "help":
		if code, done := parse(flag.NewFlagSet(command, flag.ContinueOnError), args, 0, stdout, stderr); done {
			return code
		}
		if command == "help" {
			fmt.Fprint(stdout, usage)
			return exitDone
		}
		fmt.Fprintf(stdout, "vchatd %s (%s, %s/%s)\n", daemon.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return exitDone
	}
	fmt.Fprintf(stderr, "vchatd: error: unknown command %q\n%s", command, usage)
	return exitUsage
}

// parse parses flags and up to positional arguments. If done is true, the
// program exits with code.
func parse(fs *flag.FlagSet, args []string, positional int, stdout, stderr io.Writer) (code int, done bool) {
	fs.SetOutput(io.Discard)
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitDone, true
	case err != nil:
		fmt.Fprintf(stderr, "vchatd: error: %v\n%s", err, usage)
		return exitUsage, true
	case fs.NArg() > positional:
		fmt.Fprintf(stderr, "vchatd: error: unexpected argument %q\n%s", fs.Arg(positional), usage)
		return exitUsage, true
	}
	return 0, false
}

func serve(args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("vchatd", flag.ContinueOnError)
	path := fs.String("config", defaultConfig, "")
	if code, done := parse(fs, args, 0, stdout, stderr); done {
		return code
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal kills the process
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP) // now: an unhandled SIGHUP kills the process
	inJournal, _ := journal.StderrIsJournalStream()
	level := new(slog.LevelVar)
	log := logging.New(stderr, level, inJournal)
	file := configfile.New(*path, daemon.OwnID)
	cfg, refused, err := file.Start()
	if err != nil {
		return configError(err, stderr)
	}
	if _, err := os.Stat(*path); err != nil && refused == nil {
		log.Warn("no configuration file, using defaults", "path", *path)
	}
	d, err := daemon.New(cfg, log, level)
	if err != nil {
		return failed(log, err)
	}
	d.UseFile(file, refused)
	go func() { // ends with the process
		<-d.Ready()
		for range hup {
			_, _ = d.ReloadFile() // it reports the result itself
		}
	}()
	defer tune.Start()()
	if err := d.Run(ctx); err != nil {
		return failed(log, err)
	}
	return exitDone
}

// failed logs err and returns its exit code.
func failed(log *slog.Logger, err error) int {
	log.Error("vchatd failed", "err", err)
	return exitCode(err)
}

// exitCode returns the exit code for an error of package daemon.
func exitCode(err error) int {
	if errors.Is(err, daemon.ErrUnavailable) {
		return exitUnavailable
	}
	if errors.Is(err, daemon.ErrNoKey) || errors.Is(err, daemon.ErrState) {
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

func checkConfig(args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("check-config", flag.ContinueOnError)
	file := fs.String("config", "", "")
	if code, done := parse(fs, args, 1, stdout, stderr); done {
		return code
	}
	if *file != "" && fs.NArg() == 1 {
		fmt.Fprintf(stderr, "vchatd: error: unexpected argument %q\n%s", fs.Arg(0), usage)
		return exitUsage
	}
	named := cmp.Or(*file, fs.Arg(0))
	path := cmp.Or(named, defaultConfig)
	if _, err := os.Stat(path); err != nil && named != "" {
		fmt.Fprintf(stderr, "vchatd: error: %v\n", err)
		return exitConfig
	} else if err != nil { // without the default file vchatd runs with the defaults
		fmt.Fprintf(stderr, "vchatd: no %s, using defaults\n", path)
	}
	cfg, err := config.LoadFor(path, daemon.OwnID)
	if err != nil {
		return configError(err, stderr)
	}
	for _, w := range daemon.Warnings(cfg) {
		fmt.Fprintf(stderr, "%s: warning: %s\n", path, w)
	}
	fmt.Fprintf(stdout, "%s: ok\n", path)
	return exitDone
}

// newID prints the old id and the new one. A configuration with this device's
// own id as a peer is the reason to come here, so it is no fault.
func newID(args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("new-id", flag.ContinueOnError)
	path := fs.String("config", defaultConfig, "")
	if code, done := parse(fs, args, 0, stdout, stderr); done {
		return code
	}
	cfg, err := config.Load(*path)
	if err != nil {
		return configError(err, stderr)
	}
	k, err := daemon.NewID(cfg)
	if err != nil {
		fmt.Fprintf(stderr, "vchatd: error: %v\n", err)
		return exitCode(err)
	}
	fmt.Fprintf(stdout, "old id: %s\nnew id: %s\n", cmp.Or(k.OldID, "none"), k.ID)
	if k.Kept != "" {
		fmt.Fprintf(stderr, "vchatd: the old key is kept in %s\n", k.Kept)
	}
	fmt.Fprintln(stderr, "vchatd: put the new id under peers on the other devices, then start vchatd")
	return exitDone
}

func runDemo(args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("demo", flag.ContinueOnError)
	duration := fs.Duration("for", 0, "")
	dir := fs.String("dir", "", "")
	if code, done := parse(fs, args, 0, stdout, stderr); done {
		return code
	}
	if *duration < 0 {
		fmt.Fprintf(stderr, "vchatd: error: --for must be a positive duration such as 8s, not %v\n", *duration)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop)
	out, isFile := stdout.(*os.File)
	defer tune.Start()()
	err := demo.Run(ctx, demo.Options{For: *duration, Dir: *dir, Out: stdout,
		TTY: isFile && term.IsTerminal(int(out.Fd())), Log: logging.New(stderr, slog.LevelWarn, false)})
	if err != nil {
		fmt.Fprintf(stderr, "vchatd: error: %v\n", err)
		return exitCode(err)
	}
	return exitDone
}
