package main

import (
	"context"
	"fmt"
	"math"
	"time"
)

// cuts measures the time from the end of a cut to the first frame taken after
// it.
func (b *bench) cuts(ctx context.Context) error {
	if skip := b.withoutRoot("cuts"); skip {
		return nil
	}
	lengths, timeout := []time.Duration{2 * time.Second, 10 * time.Second, 60 * time.Second}, 90*time.Second
	if b.short {
		lengths, timeout = lengths[:2], 30*time.Second
	}
	rows := [][]string{{"program"}}
	for _, d := range lengths {
		rows[0] = append(rows[0], fmt.Sprintf("after %v, ms", d))
	}
	for _, p := range b.found {
		if p.only != 0 {
			continue
		}
		row := []string{p.name}
		for _, d := range lengths {
			var took []float64
			for run := range b.runs {
				logf("cuts, %v, run %d of %d: %s", d, run+1, b.runs, p.name)
				v, err := b.cutOf(ctx, p, d, timeout)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err != nil {
					logf("%v", err)
					v = math.NaN()
				}
				took = append(took, v)
			}
			row = append(row, spread(took, 0))
		}
		rows = append(rows, row)
	}
	fmt.Printf("\nFirst frame taken after a silent cut, in ms from its end. None: not within %v.\n\n%s",
		timeout, table(rows))
	return nil
}

func (b *bench) cutOf(ctx context.Context, p program, length, timeout time.Duration) (float64, error) {
	l, err := newLink(ctx, conditions{tcp: b.tcp})
	if err != nil {
		return 0, err
	}
	defer l.close()
	s, err := b.begin(ctx, p, across(l), 1)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	if err := wait(ctx, 3*time.Second); err != nil {
		return 0, err
	}
	if err := l.cut(true); err != nil {
		return 0, err
	}
	if err := wait(ctx, length); err != nil {
		return 0, err
	}
	back := now()
	if err := l.cut(false); err != nil {
		return 0, err
	}
	defer b.note(p, s)
	for now() < back+timeout {
		if first, ok := s.clients[0].firstAfter(back); ok {
			logf("cut of %v: %s: fresh frame after %.0f ms", length, p.name, ms(first.came-back))
			return ms(first.came - back), nil
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return 0, err
		}
		if err := s.ended(); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("%s: no fresh frame within %v after the cut", p.name, timeout)
}
