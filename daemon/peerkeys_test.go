package daemon

import (
	"crypto/ed25519"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

func TestPeerKeys(t *testing.T) {
	dir := t.TempDir()
	if got := loadPeerKeys(dir); got != nil {
		t.Errorf("without a file: got %x", got)
	}
	a, b := make(ed25519.PublicKey, 32), make(ed25519.PublicKey, 32)
	a[0], b[31] = 1, 2
	keepPeerKeys(dir, slog.New(slog.DiscardHandler))([]ed25519.PublicKey{a, b})
	got := loadPeerKeys(dir)
	if len(got) != 2 || !got[0].Equal(a) || !got[1].Equal(b) {
		t.Errorf("got %x, want %x and %x", got, a, b)
	}
	info, err := os.Stat(filepath.Join(dir, PeerKeysFile))
	if err != nil || info.Mode() != 0o600 || info.Size() > maxPeerKeysFile {
		t.Errorf("got %v, %v, want a private file", info, err)
	}
}

// FuzzPeerKeys reads any file.
func FuzzPeerKeys(f *testing.F) {
	f.Add("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n\n#\xff\n0011")
	f.Fuzz(func(t *testing.T, text string) {
		all := parsePeerKeys(text)
		for _, key := range all {
			if len(key) != ed25519.PublicKeySize {
				t.Errorf("got a key of %d bytes", len(key))
			}
		}
		if len(all) > maxPeerKeys {
			t.Errorf("got %d keys", len(all))
		}
	})
}
