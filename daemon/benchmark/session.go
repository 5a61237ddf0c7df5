package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// session is a program that serves clients, all of which have had a picture.
type session struct {
	*service
	clients []*reader
	stop    func() // ends all, and waits for it
}

const firstPicture = 30 * time.Second

func (b *bench) begin(ctx context.Context, p program, at place, clients int) (*session, error) {
	s, err := p.serve(ctx, at, clients)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	reading, end := context.WithCancel(ctx)
	var running sync.WaitGroup
	out := &session{service: s, stop: func() { end(); running.Wait(); s.close() }}
	for _, from := range s.sources {
		c := &reader{}
		out.clients = append(out.clients, c)
		running.Go(func() { c.run(reading, from) })
	}
	for deadline := time.Now().Add(firstPicture); ; {
		waiting, why := out.without()
		if waiting == 0 {
			return out, nil
		}
		err := wait(ctx, 20*time.Millisecond)
		if err == nil {
			err = s.ended()
		}
		if err == nil && time.Now().After(deadline) {
			err = fmt.Errorf("%d of %d clients had no picture within %v: %w", waiting, clients, firstPicture, why)
		}
		if err != nil {
			out.stop()
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
	}
}

// without counts the clients that have no picture yet.
func (s *session) without() (n int, why error) {
	for _, c := range s.clients {
		if pictures, err := c.count(); pictures == 0 {
			n++
			why = err
		}
	}
	return n, why
}

// got is what clients saw in some time.
type got struct {
	pictures int // to all of them; none is counted twice
	rate     float64
	share    float64   // of what the camera made in that time, 0 to 1
	bytes    float64   // of a picture, mean
	delays   []float64 // ms
}

// between sums up what came in [from, to).
func (s *session) between(from, to time.Duration, fps int) (g got) {
	var camera float64
	for _, c := range s.clients {
		seen := map[int64]bool{}
		least, most := int64(-1), int64(-1)
		for _, p := range c.between(from, to) {
			if p.seq >= 0 && seen[p.seq] {
				continue
			}
			seen[p.seq] = true
			if least < 0 || p.seq < least {
				least = p.seq
			}
			most = max(most, p.seq)
			g.pictures++
			g.bytes += float64(p.size)
			if p.from != "" {
				g.delays = append(g.delays, ms(p.came-p.taken))
			}
		}
		if least >= 0 {
			camera += float64(most - least + 1)
		} else {
			camera += (to - from).Seconds() * float64(fps)
		}
	}
	g.rate = float64(g.pictures) / (to - from).Seconds() / float64(len(s.clients))
	if camera > 0 {
		g.share = float64(g.pictures) / camera
	}
	if g.pictures > 0 {
		g.bytes /= float64(g.pictures)
	}
	return g
}

// note counts where the times of capture come from.
func (b *bench) note(p program, s *session) {
	for _, c := range s.clients {
		c.mu.Lock()
		for _, pic := range c.pictures {
			from := pic.from
			if from == "" {
				from = "nothing, so its delay is not known"
			}
			if b.stamps == nil {
				b.stamps = map[string]int{}
			}
			b.stamps[p.name+": by "+from]++
		}
		c.mu.Unlock()
	}
}
