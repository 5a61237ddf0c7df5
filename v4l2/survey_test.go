package v4l2

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSysfsLabel(t *testing.T) {
	sys := t.TempDir()
	for path, text := range map[string]string{
		"video0/name":  "HD Webcam C270\n",
		"video0/index": "0\n",
		"video1/name":  "HD Webcam C270\n",
		"video1/index": "1\n",
		"video2/name":  "C\n",
	} {
		file := filepath.Join(sys, "class/video4linux", path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		node, name string
		index      int
	}{
		{"/dev/video0", "HD Webcam C270", 0},
		{"/dev/video1", "HD Webcam C270", 1},
		{"/dev/video2", "C", 0},
		{"/dev/video3", "", 0},
	} {
		t.Run(tt.node, func(t *testing.T) {
			if name, index := sysfsLabel(sys, tt.node); name != tt.name || index != tt.index {
				t.Errorf("got %q, %d; want %q, %d", name, index, tt.name, tt.index)
			}
		})
	}
}
