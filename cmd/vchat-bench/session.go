package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// session is a program and its clients, each of which has received a frame.
type session struct {
	*service
	clients []*reader
	stop    func() // ends everything and waits for it
}

const firstFrameTimeout = 30 * time.Second

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
	for deadline := time.Now().Add(firstFrameTimeout); ; {
		waiting, why := out.without()
		if waiting == 0 {
			return out, nil
		}
		err := wait(ctx, 20*time.Millisecond)
		if err == nil {
			err = s.ended()
		}
		if err == nil && time.Now().After(deadline) {
			err = fmt.Errorf("%d of %d clients had no frame within %v: %w", waiting, clients, firstFrameTimeout, why)
		}
		if err != nil {
			out.stop()
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
	}
}

// without returns the number of clients without a frame, and the latest error
// of one.
func (s *session) without() (n int, why error) {
	for _, c := range s.clients {
		if frames, err := c.count(); frames == 0 {
			n++
			why = err
		}
	}
	return n, why
}

// result is what clients received in a time span.
type result struct {
	frames int // of all clients, without duplicates
	rate   float64
	share  float64   // of the camera's frames in that time, 0 to 1
	bytes  float64   // mean size of a frame
	delays []float64 // ms
}

// between returns the result of [from, to).
func (s *session) between(from, to time.Duration, fps int) (g result) {
	var made float64
	for _, c := range s.clients {
		frames := distinct(c.between(from, to))
		for _, p := range frames {
			g.frames++
			g.bytes += float64(p.size)
			if p.from != "" {
				g.delays = append(g.delays, ms(p.came-p.taken))
			}
		}
		made += cameraMade(frames, (to-from).Seconds()*float64(fps))
	}
	g.rate = float64(g.frames) / (to - from).Seconds() / float64(len(s.clients))
	if g.frames > 0 {
		g.share = min(float64(g.frames)/made, 1)
		g.bytes /= float64(g.frames)
	}
	return g
}

// distinct drops frames that arrived before.
func distinct(all []frame) (some []frame) {
	type name struct {
		from string
		seq  int64
	}
	seen := map[name]bool{}
	for _, p := range all {
		if n := (name{p.from, p.seq}); p.seq < 0 || !seen[n] {
			seen[n] = true
			some = append(some, p)
		}
	}
	return some
}

// cameraMade returns how many frames the camera took while these arrived, by
// its own count. If a program changes frames, some carry the camera's stamp and
// others only the program's, which counts differently: the longer count gives
// the camera's rate. Without a count it returns expected.
func cameraMade(frames []frame, expected float64) float64 {
	ends := map[string][2]frame{} // first and last frame of each count
	for _, p := range frames {
		e, ok := ends[p.from]
		if !ok {
			e[0] = p
		}
		e[1] = p
		ends[p.from] = e
	}
	made, longest := expected, int64(0)
	for _, e := range ends {
		if n := e[1].seq - e[0].seq; e[0].seq >= 0 && n > longest && e[1].taken > e[0].taken {
			longest = n
			all := frames[len(frames)-1].came - frames[0].came
			made = float64(n)/(e[1].taken-e[0].taken).Seconds()*all.Seconds() + 1
		}
	}
	return made
}

// note counts the sources of the capture times.
func (b *bench) note(p program, s *session) {
	for _, c := range s.clients {
		c.mu.Lock()
		for _, pic := range c.frames {
			from := pic.from
			if from == "" {
				from = "nothing (delay unknown)"
			}
			if b.stamps == nil {
				b.stamps = map[string]int{}
			}
			b.stamps[p.name+": "+from]++
		}
		c.mu.Unlock()
	}
}
