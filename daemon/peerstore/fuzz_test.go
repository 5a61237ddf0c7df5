package peerstore

import (
	"os"
	"path/filepath"
	"testing"

	"vchat/config"
	"vchat/daemon/identity"
)

// FuzzFile opens a store with any file of a peer. The file is a peer that the
// configuration would accept, or is set aside and reported once.
func FuzzFile(f *testing.F) {
	var id identity.ID
	id[3] = 7
	for _, text := range []string{
		`{"version":1,"name":"kitchen","id":"` + id.String() + `","address":"kitchen.local:7450",` +
			`"added":"2026-11-28T12:00:00Z","auto_answer":true,"max_bitrate":7.5}`,
		`{"version":1,"name":"k\u202e\u001b[2J","id":"` + id.String() + `"}`,
		`{"version":1,"name":"self","id":"` + id.String() + `"}`,
		`{"version":1,"name":"a","id":"` + id.String() + `","address":":","added":"0000-01-01T00:00:00Z"}`,
		`{"version":2}`, `[]`, `null`, "", "\x00",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := filepath.Join(t.TempDir(), "state")
		if err := os.MkdirAll(filepath.Join(dir, Dir), 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, Dir, id.String()+suffix)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		s := Open(dir)
		all, problems := s.List(), s.Problems()
		again := Open(dir)
		if len(all)+len(problems) != 1 || len(again.List()) != len(all) || len(again.Problems()) > 0 {
			t.Fatalf("got %+v, %q; then %+v, %q", all, problems, again.List(), again.Problems())
		}
		if len(all) == 0 {
			return
		}
		p := all[0]
		badAddress := p.Address != "" && config.CheckPeerAddress(p.Address) != nil
		if config.CheckPeerName(p.Name) != nil || p.ID != id || badAddress {
			t.Fatalf("got %+v", p)
		}
		if added, err := s.Put(p); err != nil || p.Added.IsZero() != (added != p) {
			t.Fatalf("added again: got %+v, %v", added, err)
		}
		if _, err := s.Remove(p.Name); err != nil || len(Open(dir).List()) > 0 {
			t.Fatalf("removed: got %v, and %+v", err, Open(dir).List())
		}
	})
}
