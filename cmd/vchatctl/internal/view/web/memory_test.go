package web

import (
	"bytes"
	"flag"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"vchat/daemon/api"
)

var browserTime = flag.Duration("browser", 0, "show the largest frames in Chromium for this long")

// TestPage_memory shows frames in Chromium that each have another size, near
// the largest that a peer may send, and reports the memory of the browser:
//
//	go test ./cmd/vchatctl/internal/view/web -run TestPage_memory -browser 2m -v
func TestPage_memory(t *testing.T) {
	if *browserTime == 0 {
		t.Skip("needs -browser 2m")
	}
	var frames [][]byte
	for n := range 6 {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 7680-16*n, 4320-8*n)), nil); err != nil {
			t.Fatal(err)
		}
		frames = append(frames, b.Bytes())
	}
	b := newChromium(t)
	r := serve(t, api.Self)
	b.open(r.server.URL())
	r.awaitReaders(api.Self, 1)
	begin := browserMemory(t)
	var most, last int64
	for began, n := time.Now(), uint64(1); time.Since(began) < *browserTime; n++ {
		r.device.Publish(api.Self, n, false, frames[n%uint64(len(frames))])
		time.Sleep(50 * time.Millisecond)
		if n%100 == 0 {
			last = browserMemory(t)
			most = max(most, last)
			t.Logf("%.0f s: %d MB", time.Since(began).Seconds(), last>>20)
		}
	}
	if most > begin+2<<30 {
		t.Errorf("got %d MB at most, %d MB before the first frame", most>>20, begin>>20)
	}
}

// browserMemory returns the proportional memory of all processes of Chromium,
// in bytes.
func browserMemory(t *testing.T) (sum int64) {
	t.Helper()
	files, _ := filepath.Glob("/proc/[0-9]*/smaps_rollup")
	for _, f := range files {
		comm, _ := os.ReadFile(filepath.Join(filepath.Dir(f), "comm"))
		if !strings.HasPrefix(string(comm), "chrom") {
			continue
		}
		b, _ := os.ReadFile(f)
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
				n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
				sum += n << 10
			}
		}
	}
	return sum
}
