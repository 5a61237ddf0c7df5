package pairing

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"vchat/daemon/identity"
)

// A device in the middle has a connection with alice, who initiates, and one
// with bob, who waits. It sees each message first, and chooses its nonces after
// everything that it may see by then. It wins if both show the same code.
//
// The test counts codes that agree in their last two digits: by chance that is
// one in a hundred. An attacker who can choose a nonce freely after it knows
// the other ones gets all of them, after a hundred attempts on average, and all
// six digits after a million: a second of computing. Without Commitment, that
// is the attack lateNonce.

type attack struct {
	alice, bob   *Session
	toAlice      binding // of the attacker's connections
	toBob        binding
	random       *rand.ChaCha8
	aliceCode    *Code
	bobCode      *Code
	aliceRefused bool
}

func (a *attack) hash() (h Hash) {
	_, _ = a.random.Read(h[:])
	return h
}

func newAttack(random *rand.ChaCha8) *attack {
	a := &attack{random: random}
	alice, bob, mallory := identity.ID(a.hash()), identity.ID(a.hash()), identity.ID(a.hash())
	a.toAlice = binding{exporter: a.hash(), initiator: alice, responder: mallory}
	a.toBob = binding{exporter: a.hash(), initiator: mallory, responder: bob}
	a.alice = New(Config{Initiator: true, Own: alice, Peer: mallory, Exporter: a.toAlice.exporter, Nonce: a.hash()})
	a.bob = New(Config{Own: bob, Peer: mallory, Exporter: a.toBob.exporter, Nonce: a.hash()})
	a.alice.Start()
	a.bob.Start()
	return a
}

// aliceGets sends alice a message and returns the one that she answers.
func (a *attack) aliceGets(m Message) (answer Message) {
	for _, action := range a.alice.Step(m) {
		switch x := action.(type) {
		case Send:
			answer = x.Message
		case Compare:
			a.aliceCode = &x.Code
		}
	}
	if r, ok := answer.(Refuse); ok {
		a.aliceRefused = r.Reason == Mismatch
	}
	return answer
}

// bobGets does the same with bob, who waits.
func (a *attack) bobGets(m Message) (answer Message) {
	for todo := a.bob.Step(m); len(todo) > 0; {
		switch x := todo[0].(type) {
		case Send:
			answer = x.Message
		case Admit, Reveal:
			todo = append(todo, a.bob.Step(Allow{})...)
		case Compare:
			a.bobCode = &x.Code
		}
		todo = todo[1:]
	}
	return answer
}

// grind returns the nonce for which code gives the wanted digits.
func grind(code func(Hash) Code, want Code) (nonce Hash) {
	for n := range uint64(100_000) {
		binary.BigEndian.PutUint64(nonce[:], n)
		if code(nonce)%100 == want%100 {
			break
		}
	}
	return nonce
}

// lateNonce completes the exchange with alice, and then chooses the nonce for
// bob. Bob has only sent a commitment, so it grinds with a guess of his nonce.
func lateNonce(a *attack) {
	ours := a.hash()
	nonceOfAlice := a.aliceGets(Commitment{Commitment: a.toAlice.commitment(ours)}).(Nonce).Nonce
	want := a.toAlice.code(nonceOfAlice, ours)
	a.bobGets(Request{})
	guess := a.hash()
	a.bobGets(Nonce{grind(func(n Hash) Code { return a.toBob.code(n, guess) }, want)})
	a.aliceGets(Nonce{ours})
}

// earlyBob completes the exchange with bob, and then commits to a nonce for
// alice. It does not know hers, so it grinds with a guess.
func earlyBob(a *attack) {
	a.bobGets(Request{})
	toBob := a.hash()
	nonceOfBob := a.bobGets(Nonce{toBob}).(Nonce).Nonce
	want, guess := a.toBob.code(toBob, nonceOfBob), a.hash()
	ours := grind(func(n Hash) Code { return a.toAlice.code(guess, n) }, want)
	a.aliceGets(Commitment{Commitment: a.toAlice.commitment(ours)})
	a.aliceGets(Nonce{ours})
}

// relay passes on bob's commitment and all nonces.
func relay(a *attack) {
	c := a.bobGets(Request{}).(Commitment)
	n := a.aliceGets(c).(Nonce)
	a.aliceGets(a.bobGets(n))
}

// wrongReveal commits to one nonce, and reveals the one that gives the right
// code once it knows everything.
func wrongReveal(a *attack) {
	nonceOfAlice := a.aliceGets(Commitment{Commitment: a.toAlice.commitment(a.hash())}).(Nonce).Nonce
	a.bobGets(Request{})
	toBob := a.hash()
	want := a.toBob.code(toBob, a.bobGets(Nonce{toBob}).(Nonce).Nonce)
	a.aliceGets(Nonce{grind(func(n Hash) Code { return a.toAlice.code(nonceOfAlice, n) }, want)})
}

func TestAttack_inTheMiddle(t *testing.T) {
	const attempts, byChance = 1000, 10
	for _, tt := range []struct {
		name string
		do   func(*attack)
	}{{"late nonce", lateNonce}, {"early bob", earlyBob}} {
		t.Run(tt.name, func(t *testing.T) {
			random := rand.NewChaCha8([32]byte{1})
			equal := 0
			for range attempts {
				a := newAttack(random)
				tt.do(a)
				if a.aliceCode == nil || a.bobCode == nil {
					t.Fatal("got no codes: the test does not attack")
				}
				if *a.aliceCode%100 == *a.bobCode%100 {
					equal++
				}
			}
			if equal > 2*byChance { // 10 ± 3.2
				t.Errorf("got %d of %d equal, want about %d, as by chance", equal, attempts, byChance)
			}
		})
	}
	for _, tt := range []struct {
		name string
		do   func(*attack)
	}{{"relay", relay}, {"wrong reveal", wrongReveal}} {
		t.Run(tt.name, func(t *testing.T) {
			random := rand.NewChaCha8([32]byte{2})
			for range 100 {
				a := newAttack(random)
				tt.do(a)
				if a.aliceCode != nil || !a.aliceRefused {
					t.Fatalf("got code %v, want a refusal", a.aliceCode)
				}
			}
		})
	}
}
