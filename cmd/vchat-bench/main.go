// Command vchat-bench compares vchat with µStreamer and ffmpeg on one camera:
//
//	go run ./cmd/vchat-bench -camera /dev/video0
//
//	cost    on loopback, with 1 and with 8 clients: CPU time, context switches and
//	        memory of the program that holds the camera, and the delay from capture
//	        to a client that has the whole frame
//	links   frame rate and delay over links that carry a third, a fifth and a tenth
//	        of the stream, and over a link with delay and loss
//	cuts    the time from the end of a silent cut to the first frame taken after it
//	strangers  whether a known peer gets a link, and a call its frames, while 2000
//	        connections a second come from 5000 addresses, at 0, 50 and 200 ms. Only
//	        of vchat
//
// Programs that are not installed are left out and named. vchat is measured end
// to end: a client is a second vchatd with a viewer on its control socket, so
// its delays include TLS and the second daemon. The others serve plain HTTP to
// the viewer. All viewers are this program's and share their code. Camera and
// viewers run on one machine, because delay needs one clock.
//
// links and cuts need root and the programs ip and tc. Server and clients get
// network namespaces without names, which end with this process. So do the
// programs that it starts (PR_SET_PDEATHSIG). A link that needs tbf or netem is
// left out where the kernel lacks it: Debian's cloud kernels lack netem.
//
// A run measures each program once in each case. The tables show the median of
// all runs and their range. Results are markdown on standard output; progress
// goes to standard error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the command line's.
type options struct {
	camera   string
	size     string // as 1280x720
	fps      int
	wrap     []string // command that runs the program that holds the camera
	runs     int
	short    bool
	only     []string
	programs []string
	vchatd   string        // path; empty: build one from the source tree
	queue    time.Duration // length of the shaped link's queue
	tcp      string        // TCP's congestion control on the links
	kinds    []string      // of strangers; nil: all
	origin   string        // of the strangers; empty: all
}

var experiments = []string{"cost", "links", "cuts", "strangers"}

func parse(args []string, usage io.Writer) (o options, err error) {
	f := flag.NewFlagSet("vchat-bench", flag.ContinueOnError)
	f.SetOutput(usage)
	f.StringVar(&o.camera, "camera", "/dev/video0", "the camera, which must support MJPEG")
	f.StringVar(&o.size, "size", "1280x720", "frame size")
	f.IntVar(&o.fps, "fps", 30, "frame rate")
	wrap := f.String("wrap", "", `run the program that holds the camera with this command, as in "nice -n 5 --"`)
	f.IntVar(&o.runs, "runs", 0, "number of runs (default 3, with -short 1)")
	f.BoolVar(&o.short, "short", false, "short windows, no long cut")
	only := f.String("only", strings.Join(experiments, ","), "experiments to run, separated by commas")
	programs := f.String("programs", "vchat,ustreamer,ffmpeg", "programs to measure, separated by commas")
	f.StringVar(&o.vchatd, "vchatd", "", "path of vchatd; default: build it from the source tree")
	f.DurationVar(&o.queue, "queue", 50*time.Millisecond, "length of the queue before the shaped link, at its rate")
	f.StringVar(&o.tcp, "tcp", "",
		"TCP congestion control on the links; default: cubic if available, else the machine's")
	kinds := f.String("kinds", "", "what the strangers do, separated by commas: "+strings.Join(strangerKinds, ", "))
	f.StringVar(&o.origin, "origin", "", `where the strangers come from, such as "an IPv6 /48"; default: all`)
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if *kinds != "" {
		o.kinds = strings.Split(*kinds, ",")
	}
	o.wrap, o.only, o.programs = strings.Fields(*wrap), strings.Split(*only, ","), strings.Split(*programs, ",")
	for _, e := range o.only {
		if !slices.Contains(experiments, e) {
			return o, fmt.Errorf("-only %s: want one of %s", e, strings.Join(experiments, ", "))
		}
	}
	if o.runs == 0 {
		o.runs = 3
		if o.short {
			o.runs = 1
		}
	}
	if f.NArg() > 0 || o.runs < 1 || o.fps < 1 {
		return o, errors.New("invalid arguments: see -help")
	}
	return o, nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if isChild, err := child(ctx, os.Args[1:]); isChild {
		if err != nil {
			fmt.Fprintln(os.Stderr, "vchat-bench:", err)
			os.Exit(1)
		}
		return
	}
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vchat-bench:", err)
		os.Exit(2)
	}
	err = run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "vchat-bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "vchat-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{options: o, dir: dir}
	missing, err := b.findPrograms(ctx)
	if err != nil {
		return err
	}
	fmt.Println(machine())
	for _, p := range b.found {
		fmt.Printf("%s: %s\n", p.name, p.version)
	}
	for _, m := range missing {
		fmt.Printf("not measured: %s\n", m)
	}
	fmt.Printf("Camera %s, %s at %d a second; %d runs, median and range.\n", o.camera, o.size, o.fps, o.runs)
	for _, e := range o.only {
		measure := map[string]func(context.Context) error{"cost": b.cost, "links": b.links, "cuts": b.cuts,
			"strangers": b.strangers}[e]
		if err := measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", e, err)
		}
	}
	b.printStamps()
	fmt.Printf("\nLoad %s at the end.\n", load())
	return nil
}

// bench is one execution of this program.
type bench struct {
	options
	dir    string         // temporary files
	found  []program      // installed programs
	stream float64        // the camera's bit rate in bit/s; 0: not measured yet
	stamps map[string]int // number of frames by source of their capture time
}

// logf reports progress.
func logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// wait sleeps for d. It returns early with ctx's error when ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
