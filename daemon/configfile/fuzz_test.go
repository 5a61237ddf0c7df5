package configfile

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"vchat/config"
)

// FuzzStart starts with any bytes as the file, and any as its last good copy.
// The copy counts only if it is one of this file, and only if the file does
// not.
func FuzzStart(f *testing.F) {
	dir := f.TempDir()
	path, state := filepath.Join(dir, "vchat.yaml"), filepath.Join(dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		f.Fatal(err)
	}
	first := []byte(header + strconv.Quote(path) + trailer)
	good := append(bytes.Clone(first), "name: kept\n"...)
	f.Add([]byte("name: kitchen\n"), good)
	f.Add([]byte("nmae: kitchen\n"), good)
	f.Add([]byte{}, good)
	f.Add([]byte("state_dir: \"/etc\"\nx: ["), append([]byte(header+"\"/etc/vchat.yaml\""+trailer), "name: other\n"...))
	f.Add([]byte("\xff\xfe"), append(bytes.Clone(first), "name: ["...))
	f.Add([]byte("a: &a [*a]\n"), first[:len(first)/2])
	f.Fuzz(func(t *testing.T, file, kept []byte) {
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(state, CopyName), kept, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = stateDirOf(file)
		c := New(path, nil)
		c.systemd = state
		cfg, refused, err := c.Start()
		if (cfg == nil) != (err != nil) {
			t.Fatalf("got %v, %v", cfg, err)
		}
		isCopy := bytes.HasPrefix(kept, first)
		_, fileErr := config.Parse(path, file)
		switch {
		case fileErr == nil && len(file) > 0 && (refused != nil || err != nil || !bytes.Equal(c.loaded, file)):
			t.Errorf("a good file is not used: %v, %v", refused, err)
		case fileErr != nil && err == nil && !isCopy:
			t.Errorf("a faulty file without a copy starts")
		case refused != nil && !bytes.Equal(c.loaded, bytes.TrimPrefix(kept, first)):
			t.Errorf("got %q, want the copy", c.loaded)
		}
	})
}
