package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// measureStream measures the camera's bit rate with the first program.
func (b *bench) measureStream(ctx context.Context) error {
	if b.stream > 0 {
		return nil
	}
	const window = 3 * time.Second
	s, err := b.begin(ctx, b.found[0], loopback, 1)
	if err != nil {
		return err
	}
	defer s.stop()
	if err := wait(ctx, time.Second); err != nil {
		return err
	}
	from := now()
	if err := wait(ctx, window); err != nil {
		return err
	}
	g := s.between(from, from+window, b.fps)
	if g.frames == 0 {
		return errors.New("no frames from the camera")
	}
	b.stream = g.rate / g.share * g.bytes * 8
	return nil
}

// links measures frame rate and delay over links that carry less than the
// stream, or lose packets.
func (b *bench) links(ctx context.Context) error {
	if skip := b.withoutRoot("links"); skip {
		return nil
	}
	if err := b.measureStream(ctx); err != nil {
		return err
	}
	settle, window := 10*time.Second, 20*time.Second
	if b.short {
		settle, window = 5*time.Second, 10*time.Second
	}
	part := func(n float64) conditions { return conditions{rate: b.stream / n, queue: b.queue, tcp: b.tcp} }
	rows := [][]string{{"link", "program", "frames a second", "KB a frame", "delay p50, ms", "p99"}}
	shaped := map[string]bool{}
	for _, l := range []struct {
		name string
		conditions
	}{
		{"a third", part(3)}, {"a fifth", part(5)}, {"a tenth", part(10)},
		{"20 ± 5 ms, 1 % loss", conditions{delay: 20 * time.Millisecond, jitter: 5 * time.Millisecond, loss: 0.01,
			tcp: b.tcp}},
	} {
		for _, p := range b.found {
			if p.only != 0 {
				continue
			}
			var rate, size, p50, p99 []float64
			for run := range b.runs {
				logf("links, %s, run %d of %d: %s", l.name, run+1, b.runs, p.name)
				g, by, err := b.linkOf(ctx, p, l.conditions, settle, window)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err != nil {
					logf("%v", err)
					g = result{rate: math.NaN(), bytes: math.NaN()}
				}
				shaped[fmt.Sprintf("%s: %v; %s", l.name, l.conditions, by)] = true
				rate, size = append(rate, g.rate), append(size, g.bytes/1000)
				p50, p99 = append(p50, quantile(g.delays, 0.5)), append(p99, quantile(g.delays, 0.99))
			}
			rows = append(rows, []string{l.name, p.name, spread(rate, 1), spread(size, 0),
				spread(p50, 0), spread(p99, 0)})
		}
	}
	fmt.Printf("\nSlow and lossy links, one client, %v a run after %v to settle. The stream has %.1f Mbit/s; "+
		"limits apply from the server to the client.\n\n%s\n", window, settle, b.stream/1e6, table(rows))
	for _, s := range slices.Sorted(maps.Keys(shaped)) {
		fmt.Println("* " + s)
	}
	return nil
}

func (b *bench) linkOf(ctx context.Context, p program, c conditions, settle, window time.Duration) (
	g result, by string, err error,
) {
	l, err := newLink(ctx, c)
	if err != nil {
		return g, "not measured", err
	}
	defer l.close()
	by = l.shaper + "; TCP " + l.server.congestion()
	s, err := b.begin(ctx, p, across(l), 1)
	if err != nil {
		return g, by, err
	}
	defer s.stop()
	if err := wait(ctx, settle); err != nil {
		return g, by, err
	}
	from := now()
	err = wait(ctx, window)
	g = s.between(from, from+window, b.fps)
	b.note(p, s)
	return g, by, err
}

// withoutRoot reports whether links cannot be made, and prints the reason.
func (b *bench) withoutRoot(what string) bool {
	l, err := newLink(context.Background(), conditions{tcp: b.tcp})
	if err == nil {
		l.close()
		return false
	}
	fmt.Printf("\n%s: not measured: %v\n", what, err)
	return true
}

func (b *bench) printStamps() {
	if len(b.stamps) == 0 {
		return
	}
	fmt.Print("\nCapture times come from\n\n")
	for _, s := range slices.Sorted(maps.Keys(b.stamps)) {
		fmt.Printf("* %s (%d frames)\n", s, b.stamps[s])
	}
}
