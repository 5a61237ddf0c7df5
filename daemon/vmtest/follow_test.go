//go:build vm

package vmtest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
)

// follow runs a script in the guest until the end of the test. It calls onLine
// for each line of output, and onEnd with the reason when the script ends. It
// calls neither after the test.
func follow(t *testing.T, script string, onLine func(line []byte), onEnd func(error)) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		var stderr bytes.Buffer
		err := machine.Run(ctx, bash(script, ""), &lineWriter{onLine: onLine}, &stderr)
		onEnd(fmt.Errorf("%s: %v: %s", script, err, &stderr))
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
}

// A lineWriter calls onLine for each complete line that is written to it.
type lineWriter struct {
	onLine func([]byte)
	rest   []byte // of an incomplete line
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		line, rest, found := bytes.Cut(w.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		w.onLine(line)
		w.rest = rest
	}
}
