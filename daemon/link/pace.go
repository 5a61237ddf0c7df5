package link

import (
	"context"
	"sync"
	"time"
)

// pace holds up a peer that sends more messages than people, cameras and links that come and go can be the cause of. The
// connection's buffers fill, and the peer has to wait: each message may cost us a line in the journal and a write to the
// disk. The zero pace is ready. It is safe for concurrent use.
type pace struct {
	mu   sync.Mutex
	paid time.Time // the messages until now have had their time until then
}

const (
	messageEvery = 10 * time.Millisecond
	messageBurst = 100
)

// wait takes the time that one message is due, or returns at the end of ctx.
func (p *pace) wait(ctx context.Context) {
	p.mu.Lock()
	now := time.Now()
	if credit := now.Add(-messageBurst * messageEvery); p.paid.Before(credit) {
		p.paid = credit
	}
	p.paid = p.paid.Add(messageEvery)
	ahead := p.paid.Sub(now)
	p.mu.Unlock()
	if ahead > 0 {
		sleep(ctx, ahead)
	}
}
