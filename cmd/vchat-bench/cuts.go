package main

import (
	"context"
	"fmt"
	"math"
	"time"
)

// cuts measures when the first frame comes after a cut that was taken after it.
func (b *bench) cuts(ctx context.Context) error {
	if skip := b.withoutRoot("cuts"); skip {
		return nil
	}
	lengths, patience := []time.Duration{2 * time.Second, 10 * time.Second, 60 * time.Second}, 90*time.Second
	if b.short {
		lengths, patience = lengths[:2], 30*time.Second
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
				say("cuts, %v, run %d of %d: %s", d, run+1, b.runs, p.name)
				v, err := b.cutOf(ctx, p, d, patience)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err != nil {
					say("%v", err)
					v = math.NaN()
				}
				took = append(took, v)
			}
			row = append(row, spread(took, 0))
		}
		rows = append(rows, row)
	}
	fmt.Printf("\nFirst frame that was taken after a silent cut ended, in ms from that moment. None: not within %v.\n\n%s", patience, table(rows))
	return nil
}

func (b *bench) cutOf(ctx context.Context, p program, length, patience time.Duration) (float64, error) {
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
	for now() < back+patience {
		if first, ok := s.clients[0].firstAfter(back); ok {
			say("cut of %v: %s has a fresh frame after %.0f ms", length, p.name, ms(first.came-back))
			return ms(first.came - back), nil
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return 0, err
		}
		if err := s.ended(); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("%s: no fresh frame within %v of the cut's end", p.name, patience)
}
