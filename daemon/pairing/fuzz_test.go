package pairing

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"vchat/daemon/identity"
)

// FuzzPairing feeds a session with the bytes of a hostile device. Each byte of
// local is an event of this device, which comes between two messages. The
// nonces and ids are constant, so that the fuzzer can find commitments in the
// corpus.
func FuzzPairing(f *testing.F) {
	own, peer := identity.ID{1}, identity.ID{2}
	b := binding{initiator: own, responder: peer}
	opened := Append(Append(nil, Commitment{b.commitment(Hash{7}), "bob"}), Nonce{Hash{7}})
	f.Add(true, append(Append(opened, Confirm{}), Append(nil, Done{})...), []byte{0, 0, 0, 1, 2, 0})
	f.Add(false, Append(Append(Append(Append(nil, Request{"alice"}), Nonce{Hash{8}}), Confirm{}), Done{}),
		[]byte{0, 3, 0, 3, 0, 1, 0, 2})
	for name, v := range readVectors(f) {
		if v.get("end") != "" {
			f.Add(len(name)%2 == 0, v.stream(f), []byte{3, 3, 1, 2})
		}
	}
	f.Fuzz(func(t *testing.T, initiator bool, stream, local []byte) {
		e := explored{s: *New(Config{Initiator: initiator, Own: own, Peer: peer, Nonce: Hash{9}, Name: "x"})}
		e.apply(t, e.s.Start())
		r := NewReader(bytes.NewReader(stream))
		for _, event := range append(local, make([]byte, len(stream)/2+1)...) {
			if e.ended {
				return
			}
			switch event % 6 {
			case 0:
				m, err := r.Next()
				if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF && !errors.Is(err, ErrProtocol) {
					t.Fatalf("got %v", err)
				}
				if err != nil {
					e.apply(t, e.s.Step(Lost{err}))
					continue
				}
				if got, err := NewReader(bytes.NewReader(Append(nil, m))).Next(); err != nil || got != m {
					t.Fatalf("encoded: got %v, %v; want %v", got, err, m)
				}
				_, confirms := m.(Confirm)
				e.peerConfirmed = e.peerConfirmed || confirms
				e.apply(t, e.s.Step(m))
			case 1:
				e.agreed = e.agreed || e.s.state == comparing
				e.apply(t, e.s.Step(Agree{}))
			case 2:
				if e.asked {
					e.asked, e.kept = false, true
					e.apply(t, e.s.Step(Kept{}))
				}
			case 3:
				e.apply(t, e.s.Step(Allow{}))
			case 4:
				e.apply(t, e.s.Step(Reject{Refused}))
			case 5:
				e.apply(t, e.s.Step(Expired{}))
			}
		}
	})
}
