package teststamp

import (
	"strings"
	"testing"
	"time"

	"vchat/daemon/mjpeg"
)

func TestParse(t *testing.T) {
	const stamp = "vchat-test seq=00000000000000000042 captured=00000000012345678901"
	e := mjpeg.NewEncoder(50)
	for _, tt := range []struct {
		name, comment string
		seq           uint64
		at            time.Duration
		ok            bool
	}{
		{"stamp", stamp, 42, 12345678901, true},
		{"no comment", "", 0, 0, false},
		{"other comment", "hello", 0, 0, false},
		{"other comment of the same length", strings.Repeat("x", len(stamp)), 0, 0, false},
		{"not a number", stampPrefix + strings.Repeat("7", 19) + "x" + capturedField + strings.Repeat("7", 20),
			0, 0, false},
		{"truncated", stamp[:len(stamp)-1], 0, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			seq, at, ok := Parse(e.AppendTiledHeader(nil, 16, 16, []byte(tt.comment)))
			if ok != tt.ok || ok && (seq != tt.seq || at != tt.at) {
				t.Errorf("got %d, %v, %v; want %d, %v, %v", seq, at, ok, tt.seq, tt.at, tt.ok)
			}
		})
	}
}
