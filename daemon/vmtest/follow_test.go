//go:build vm

package vmtest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
)

// follow runs a script in the guest until the test ends. Each line that it prints goes to see; ended is told why it ended.
// Neither is called after the test.
func follow(t *testing.T, script string, see func(line []byte), ended func(error)) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		var stderr bytes.Buffer
		err := machine.Run(ctx, bash(script, ""), &lines{see: see}, &stderr)
		ended(fmt.Errorf("%s: %v: %s", script, err, &stderr))
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
}

// lines is a writer that hands on whole lines.
type lines struct {
	see  func([]byte)
	rest []byte
}

func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		l.see(line)
		l.rest = rest
	}
}
