package daemon

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	"vchat/daemon/smallfile"
)

// PeerKeysFile is the name of the file in the state directory that keeps the
// public keys of the peers, so that they get in through a flood also after a
// restart. It holds one key a line, in hexadecimal. Nothing depends on it: a
// key counts only for the peer whose id is its hash.
const PeerKeysFile = "peer-keys"

const (
	maxPeerKeys     = 1024
	maxPeerKeysFile = maxPeerKeys * (2*ed25519.PublicKeySize + 1) // bytes
)

// loadPeerKeys returns the keys of a file. It skips faulty lines.
func loadPeerKeys(dir string) []ed25519.PublicKey {
	b, err := smallfile.ReadState(filepath.Join(dir, PeerKeysFile), maxPeerKeysFile)
	if err != nil {
		return nil // they are learned again
	}
	return parsePeerKeys(string(b))
}

func parsePeerKeys(text string) (all []ed25519.PublicKey) {
	for line := range strings.Lines(text) {
		key, err := hex.DecodeString(strings.TrimSpace(line))
		if err == nil && len(key) == ed25519.PublicKeySize && len(all) < maxPeerKeys {
			all = append(all, key)
		}
	}
	return all
}

// keepPeerKeys returns a function that replaces the file.
func keepPeerKeys(dir string, log *slog.Logger) func([]ed25519.PublicKey) {
	return func(all []ed25519.PublicKey) {
		var text []byte
		for _, key := range all[:min(len(all), maxPeerKeys)] {
			text = fmt.Appendf(text, "%x\n", []byte(key))
		}
		if err := smallfile.Replace(filepath.Join(dir, PeerKeysFile), text); err != nil {
			log.Debug("public keys of peers not kept", "err", err)
		}
	}
}
