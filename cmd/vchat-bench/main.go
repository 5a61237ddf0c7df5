// Command vchat-bench measures vchat beside µStreamer and ffmpeg on one camera, in one run and one after the other:
//
//	go run ./cmd/vchat-bench -camera /dev/video0
//
//	cost    on loopback, with 1 and with 8 clients: CPU, context switches and memory of the program that has the camera, and
//	        the delay from capture to a client that has the whole frame
//	links   over a link that carries a third, a fifth and a tenth of the stream, and over one that delays and loses packets:
//	        frames a second and their delay
//	cuts    how long after a silent cut the first frame comes that was taken after it
//
// Programs that are not installed are left out, and named. vchat is measured from end to end: a client is another vchatd
// with a viewer at its control socket, so TLS and the second daemon are in its delays; the others serve plain HTTP, and the
// viewer reads that. All viewers are this program's, with the same code. Camera and viewers are on one machine, because only
// then one clock can tell the delay.
//
// links and cuts need root and the programs ip and tc: server and clients get network namespaces of their own, without
// names, so that they are gone with this process however it ends. So are the programs (PR_SET_PDEATHSIG). A link that
// needs tbf or netem is left out where the kernel lacks it, as Debian's cloud kernels lack netem.
//
// A run measures each program once in each case; the table gives the median of the runs and their range. It is markdown
// on standard output, and what is going on is on standard error.
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

// options is what the command line says.
type options struct {
	camera   string
	size     string // as 1280x720
	fps      int
	wrap     []string // command line before that of a program that has the camera
	runs     int
	short    bool
	only     []string
	programs []string
	vchatd   string        // built here if empty
	queue    time.Duration // of the shaped link
	tcp      string        // congestion control on the links
}

var experiments = []string{"cost", "links", "cuts"}

func parse(args []string, usage io.Writer) (o options, err error) {
	f := flag.NewFlagSet("benchmark", flag.ContinueOnError)
	f.SetOutput(usage)
	f.StringVar(&o.camera, "camera", "/dev/video0", "the camera, which must give MJPEG")
	f.StringVar(&o.size, "size", "1280x720", "of the frames")
	f.IntVar(&o.fps, "fps", 30, "frames a second")
	wrap := f.String("wrap", "", `run the program that has the camera by this command, as in "nice -n 5 --"`)
	f.IntVar(&o.runs, "runs", 0, "how often all is measured (default 3, with -short 1)")
	f.BoolVar(&o.short, "short", false, "a quick look: short windows, no long cut")
	only := f.String("only", strings.Join(experiments, ","), "what to measure")
	programs := f.String("programs", "vchat,ustreamer,ffmpeg", "which programs")
	f.StringVar(&o.vchatd, "vchatd", "", "this vchatd, where there is no Go to build one from the source tree")
	f.DurationVar(&o.queue, "queue", 50*time.Millisecond, "how much the queue before the shaped link holds, at its rate")
	f.StringVar(&o.tcp, "tcp", "", "TCP's congestion control on the links; empty: cubic, which most have, or else the machine's")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.wrap, o.only, o.programs = strings.Fields(*wrap), strings.Split(*only, ","), strings.Split(*programs, ",")
	for _, e := range o.only {
		if !slices.Contains(experiments, e) {
			return o, fmt.Errorf("-only %s: one of %s is meant", e, strings.Join(experiments, ", "))
		}
	}
	if o.runs == 0 {
		o.runs = 3
		if o.short {
			o.runs = 1
		}
	}
	if f.NArg() > 0 || o.runs < 1 || o.fps < 1 {
		return o, errors.New("arguments that are not understood: see -help")
	}
	return o, nil
}

func main() {
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmark:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err = run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmark:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "vchat-benchmark-")
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
		fmt.Printf("left out: %s\n", m)
	}
	fmt.Printf("Camera %s, %s at %d a second; %d runs, median and range.\n", o.camera, o.size, o.fps, o.runs)
	for _, e := range o.only {
		measure := map[string]func(context.Context) error{"cost": b.cost, "links": b.links, "cuts": b.cuts}[e]
		if err := measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", e, err)
		}
	}
	b.printStamps()
	fmt.Printf("\nLoad %s at the end.\n", load())
	return nil
}

// bench is one call of this program.
type bench struct {
	options
	dir    string // temporary
	found  []program
	stream float64        // bits a second that the camera's frames take; 0: not measured yet
	stamps map[string]int // how many frames had their time of capture from where
}

// say tells what is going on.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// wait sleeps, but no longer than ctx.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
