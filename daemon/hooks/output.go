package hooks

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// The bounds of what the commands of one kind write to the log.
const (
	maxLine       = 512 // bytes; the rest of a line is cut
	linesAtOnce   = 20
	lineEvery     = 30 * time.Second // after that, between two lines
	omittedReport = 10 * time.Minute // between two reports of omitted lines, or of dropped hooks
)

// output logs what the commands of one kind write. Its methods are safe for
// concurrent use.
type output struct {
	log *slog.Logger

	mu       sync.Mutex
	limit    *rate.Limiter
	omitted  int       // lines since reported
	reported time.Time // of omitted lines
}

func newOutput(log *slog.Logger) *output {
	return &output{log: log, limit: rate.NewLimiter(rate.Every(lineEvery), linesAtOnce)}
}

// read logs lines until the end of r. It reads on when it logs no more: a full
// pipe would block the command.
func (o *output) read(r io.Reader) {
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		cut := errors.Is(err, bufio.ErrBufferFull)
		text := strings.TrimRight(string(line), "\r\n")
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = lines.ReadSlice('\n')
		}
		if cut {
			text += "…"
		}
		if strings.TrimSpace(text) != "" {
			o.add(text)
		}
		if err != nil {
			return
		}
	}
}

func (o *output) add(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.limit.Allow() {
		o.log.Info("hook output", "text", text)
		return
	}
	o.omitted++
}

// end reports the lines that were omitted, at most once per omittedReport.
func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.omitted > 0 && (o.reported.IsZero() || time.Since(o.reported) >= omittedReport) {
		o.log.Info("hook output omitted", "lines", o.omitted)
		o.reported, o.omitted = time.Now(), 0
	}
}
