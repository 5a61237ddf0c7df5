package proctree

import (
	"fmt"
	"testing"
)

// FuzzParent parses any proc_pid_stat(5). A process may have any name, and so
// no name may change the parent.
func FuzzParent(f *testing.F) {
	f.Add([]byte("sh"), 12)
	f.Add([]byte("a) S 1 ("), 1)
	f.Add([]byte("\n\x00)))"), 0)
	f.Fuzz(func(t *testing.T, name []byte, parent int) {
		_, _ = parseParent(name)
		stat := append(append([]byte("7 ("), name...), fmt.Sprintf(") S %d 7 7 0", parent)...)
		if got, ok := parseParent(stat); !ok || got != parent {
			t.Errorf("got parent %d, %v, want %d", got, ok, parent)
		}
	})
}
