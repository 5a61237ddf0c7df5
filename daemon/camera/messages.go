package camera

import (
	"log/slog"
	"sync"
	"time"
)

// messageLog logs the output of a camera command: the first lines, and then
// their number. It outlives the command, because some fail at once each time
// they are started. Its methods are safe for concurrent use.
type messageLog struct {
	mu       sync.Mutex
	logged   int       // lines since begun
	begun    time.Time // of the present allowance
	omitted  int       // lines since reported
	reported time.Time
}

const (
	maxLogLines       = 20 // for each messageAllowance. Some commands write a line for each frame
	messageAllowance  = time.Hour
	omittedLinesPause = 10 * time.Minute // between two reports of omitted lines
)

// restarted gives a command that starts new lines, at most once an hour.
func (m *messageLog) restarted(now time.Time) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Sub(m.begun) >= messageAllowance {
		m.logged, m.begun = 0, now
	}
}

// reset gives another command new lines.
func (m *messageLog) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.logged, m.begun = 0, time.Time{}
}

func (m *messageLog) add(log *slog.Logger, now time.Time, text string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.logged < maxLogLines {
		m.logged++
		log.Info("camera command output", "device", commandDevice, "text", text)
		if m.logged == maxLogLines {
			m.reported = now
			log.Info("camera command output limit reached", "device", commandDevice, "lines", maxLogLines)
		}
		return
	}
	m.omitted++
	if now.Sub(m.reported) >= omittedLinesPause {
		log.Info("camera command output omitted", "device", commandDevice, "lines", m.omitted)
		m.reported, m.omitted = now, 0
	}
}
