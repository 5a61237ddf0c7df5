package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// costs are the columns of the first table, with one value a run.
type costs struct {
	delivered, cpu, user, system, switches, resident, peak, p50, p99 []float64
}

func (b *bench) cost(ctx context.Context) error {
	warm, window := 4*time.Second, 20*time.Second
	if b.short {
		warm, window = 2*time.Second, 6*time.Second
	}
	type row struct {
		program string
		clients int
	}
	all := map[row]*costs{}
	var order []row
	for run := range b.runs {
		for _, n := range []int{1, 8} {
			for _, p := range b.found {
				if p.only != 0 && p.only != n {
					continue
				}
				r := row{p.name, n}
				if all[r] == nil {
					all[r] = &costs{}
					order = append(order, r)
				}
				logf("cost, run %d of %d: %s, %d clients", run+1, b.runs, p.name, n)
				if err := b.costOf(ctx, p, n, warm, window, all[r]); err != nil {
					if ctx.Err() != nil {
						return err
					}
					logf("%v", err)
					all[r].failed()
				}
			}
		}
	}
	rows := [][]string{{"program", "clients", "delivered, %", "CPU a frame, µs", "user", "system",
		"switches a frame", "resident, MiB", "peak", "delay p50, ms", "p99"}}
	for _, r := range order {
		c := all[r]
		rows = append(rows, []string{r.program, fmt.Sprint(r.clients), spread(c.delivered, 1),
			spread(c.cpu, 0), spread(c.user, 0), spread(c.system, 0), spread(c.switches, 1),
			spread(c.resident, 1), spread(c.peak, 1), spread(c.p50, 2), spread(c.p99, 2)})
	}
	fmt.Printf("\nCost of the program that holds the camera, on loopback, %v a run. "+
		"A frame counts once for each client that received it.\n\n%s", window, table(rows))
	return nil
}

func (b *bench) costOf(ctx context.Context, p program, clients int, warm, window time.Duration, c *costs) error {
	s, err := b.begin(ctx, p, loopback, clients)
	if err != nil {
		return err
	}
	defer s.stop()
	if err := wait(ctx, warm); err != nil {
		return err
	}
	before, err := usageOf(s.sender.pid)
	from := now()
	if err == nil {
		err = wait(ctx, window)
	}
	to := now()
	after, e := usageOf(s.sender.pid)
	resident, peak, e2 := memoryOf(s.sender.pid)
	if err := errors.Join(err, e, e2); err != nil {
		return fmt.Errorf("%s: %w", p.name, errors.Join(s.ended(), err))
	}
	g := s.between(from, to, b.fps)
	b.note(p, s)
	if g.frames == 0 {
		return fmt.Errorf("%s: no frames in %v", p.name, window)
	}
	user, system, switches := after.since(before)
	each := func(v float64) float64 { return v / float64(g.frames) }
	for _, v := range []struct {
		to    *[]float64
		value float64
	}{
		{&c.delivered, 100 * g.share},
		{&c.cpu, each(us(user + system))},
		{&c.user, each(us(user))},
		{&c.system, each(us(system))},
		{&c.switches, each(float64(switches))},
		{&c.resident, float64(resident) / 1024},
		{&c.peak, float64(peak) / 1024},
		{&c.p50, quantile(g.delays, 0.5)},
		{&c.p99, quantile(g.delays, 0.99)},
	} {
		*v.to = append(*v.to, v.value)
	}
	return nil
}

// failed adds a run without a result.
func (c *costs) failed() {
	for _, v := range []*[]float64{&c.delivered, &c.cpu, &c.user, &c.system, &c.switches, &c.resident, &c.peak,
		&c.p50, &c.p99} {
		*v = append(*v, math.NaN())
	}
}

func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
