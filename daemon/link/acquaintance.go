package link

import (
	"crypto/ed25519"
	"crypto/tls"
	"maps"
	"slices"
	"sync"

	"vchat/daemon/identity"
)

// acquaintances are the peers whose public key is known: from a link, or from
// one before the last restart. Such a peer proves in its ClientHello who it is,
// and then waits in a queue of its own: no other device keeps it out, not even
// by a flood from its own address. It is safe for concurrent use.
type acquaintances struct {
	own *identity.Identity

	mu    sync.Mutex
	peers map[identity.ID]*acquaintance
}

type acquaintance struct {
	key ed25519.PublicKey
	// shared is computed when it is needed: that of many peers would delay the
	// start.
	shared func() (identity.Acquaintance, error)
	used   []identity.Nonce // lately, oldest first
}

// maxNonces is how many used nonces of a peer are remembered. A device on the
// path that repeats a recorded ClientHello gains at most one place with it
// while that many are used. A peer uses 7 a second at most.
const maxNonces = 64

func newAcquaintances(own *identity.Identity, keys []ed25519.PublicKey) *acquaintances {
	a := &acquaintances{own: own, peers: map[identity.ID]*acquaintance{}}
	for _, key := range keys {
		if id, err := identity.IDOf(key); err == nil {
			a.learn(id, key)
		}
	}
	return a
}

// learn reports whether key, of the device id, is new.
func (a *acquaintances) learn(id identity.ID, key ed25519.PublicKey) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.peers[id] != nil {
		return false
	}
	key = slices.Clone(key)
	a.peers[id] = &acquaintance{key: key, shared: sync.OnceValues(func() (identity.Acquaintance, error) {
		return a.own.Acquaint(key)
	})}
	return true
}

// retain forgets the devices that are no peers.
func (a *acquaintances) retain(isPeer func(identity.ID) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.peers, func(id identity.ID, _ *acquaintance) bool { return !isPeer(id) })
}

// keys returns the public keys in the order of the ids.
func (a *acquaintances) keys() []ed25519.PublicKey {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []ed25519.PublicKey
	for _, id := range slices.SortedFunc(maps.Keys(a.peers), identity.ID.Compare) {
		all = append(all, a.peers[id].key)
	}
	return all
}

// clientConfig returns the TLS configuration to dial a peer.
func (a *acquaintances) clientConfig(peer identity.ID) *tls.Config {
	a.mu.Lock()
	defer a.mu.Unlock()
	if x := a.peers[peer]; x != nil {
		if shared, err := x.shared(); err == nil {
			return a.own.ClientConfigFor(peer, &shared)
		}
	}
	return a.own.ClientConfig()
}

// proves reports whether the protocols of a ClientHello contain a proof of a
// peer that was not used before. It costs one MAC for each peer.
func (a *acquaintances) proves(protocols []string) bool {
	nonce, proof, ok := identity.ProofNonce(protocols)
	if !ok {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, x := range a.peers {
		shared, err := x.shared()
		if err != nil || !a.own.Proves(&shared, id, nonce, proof) {
			continue
		}
		if slices.Contains(x.used, nonce) {
			return false
		}
		if x.used = append(x.used, nonce); len(x.used) > maxNonces {
			x.used = slices.Delete(x.used, 0, 1)
		}
		return true
	}
	return false
}

// learnKey keeps the public key of a peer, and passes on all of them if it is
// new.
func (ls *Links) learnKey(id identity.ID, cs tls.ConnectionState) {
	if !ls.acquaintances.learn(id, identity.PublicKey(cs)) || ls.cfg.OnKeys == nil {
		return
	}
	ls.keepingKeys.Lock()
	defer ls.keepingKeys.Unlock()
	ls.cfg.OnKeys(ls.acquaintances.keys())
}
