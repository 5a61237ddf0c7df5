// Vchatd is the vchat daemon: it keeps this device's camera, its links to peers and its calls, and serves the control
// socket.
//
//	vchatd [--config FILE]                    run in the foreground
//	vchatd check-config [FILE]                check a configuration file
//	vchatd demo [--for DURATION] [--dir DIR]  two devices in this process that call each other
//	vchatd version
package main

import (
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
	"vchat/daemon/demo"
	"vchat/daemon/logging"
	"vchat/daemon/tune"
)

const defaultConfig = "/etc/vchat.yaml"

// Exit codes. A configuration error has the value of sysexits.h that systemd knows as CONFIG (RestartPreventExitStatus).
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnavailable = 69 // EX_UNAVAILABLE
	exitConfig      = 78 // EX_CONFIG
)

const usage = `usage:
  vchatd [--config /etc/vchat.yaml]            run the daemon in the foreground
  vchatd check-config [FILE]                   check a configuration file
  vchatd demo [--for DURATION] [--dir DIR]     two devices in this process that call each other
  vchatd version

SIGHUP reads the configuration again. Exit codes: 0 stopped as asked, 1 failed, 2 wrong usage,
69 a part that it cannot run without is not to be had (the port is taken), 78 configuration error.
`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

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

// parse reads flags; done says that the program has nothing more to do, and with which code.
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
		fmt.Fprintf(stderr, "vchatd: error: %q is one argument too many\n%s", fs.Arg(positional), usage)
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
	context.AfterFunc(ctx, stop) // so that the second signal ends the process at once
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP) // from now on, for without it the signal ends the process
	inJournal, _ := journal.StderrIsJournalStream()
	level := new(slog.LevelVar)
	log := logging.New(stderr, level, inJournal)
	cfg, err := config.Load(*path)
	if err != nil {
		return configError(err, stderr)
	}
	if _, err := os.Stat(*path); err != nil {
		log.Warn("there is no configuration file: the defaults hold", "path", *path)
	}
	d, err := daemon.New(cfg, log, level)
	if err != nil {
		return failed(log, err)
	}
	go func() { // lives as long as the process
		<-d.Ready()
		for range hup {
			d.Reload(func() (*config.Config, error) { return reread(*path) })
		}
	}()
	defer tune.Start()()
	if err := d.Run(ctx); err != nil {
		return failed(log, err)
	}
	return exitDone
}

// reread is config.Load for a device that runs: there a file that has gone is a mistake, and not the wish for a device
// without peers.
func reread(path string) (*config.Config, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	return config.Load(path)
}

func failed(log *slog.Logger, err error) int {
	log.Error("vchatd ends", "err", err)
	if errors.Is(err, daemon.ErrUnavailable) {
		return exitUnavailable
	}
	return exitFailed
}

// configError prints a line per fault, as editors read them.
func configError(err error, stderr io.Writer) int {
	fmt.Fprintln(stderr, err)
	return exitConfig
}

func checkConfig(args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("check-config", flag.ContinueOnError)
	if code, done := parse(fs, args, 1, stdout, stderr); done {
		return code
	}
	path := defaultConfig
	if fs.NArg() == 1 {
		path = fs.Arg(0)
	}
	if _, err := os.Stat(path); err != nil && fs.NArg() == 1 {
		fmt.Fprintf(stderr, "vchatd: error: %v\n", err) // a missing default file is the default configuration, a typed name is not
		return exitConfig
	} else if err != nil {
		fmt.Fprintf(stderr, "vchatd: there is no %s: the defaults hold\n", path)
	}
	if _, err := config.Load(path); err != nil {
		return configError(err, stderr)
	}
	fmt.Fprintf(stdout, "%s: ok\n", path)
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
		fmt.Fprintf(stderr, "vchatd: error: --for %v: expected a duration above 0, such as 8s\n", *duration)
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
		if errors.Is(err, daemon.ErrUnavailable) {
			return exitUnavailable
		}
		return exitFailed
	}
	return exitDone
}
