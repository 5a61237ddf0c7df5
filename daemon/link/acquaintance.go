package link

import (
	"crypto/ed25519"
	"crypto/tls"
	"maps"
	"slices"
	"sync"

	"vchat/daemon/identity"
)

// acquaintances are the peers. A peer whose public key is known, from a link or
// from one before the last restart, proves in its ClientHello who it is, and
// waits apart from all others: no stranger keeps it out, not even with a flood
// from its own address. A peer that had no link yet proves that it knows both
// ids, and waits apart from those that do not. It is safe for concurrent use.
type acquaintances struct {
	own *identity.Identity

	mu    sync.Mutex
	peers map[identity.ID]*acquaintance
}

type acquaintance struct {
	introduction identity.Acquaintance // of the peer, when it dials
	key          ed25519.PublicKey     // nil: unknown
	// shared is computed when it is needed: that of many peers would delay the
	// start. It is nil if key is.
	shared func() (identity.Acquaintance, error)
	token  func() (identity.RelayToken, error) // likewise
	used   []identity.Nonce                    // lately, oldest first
}

// proof is what a ClientHello proves about the device that sent it.
type proof int

const (
	proofOfNothing proof = iota
	proofOfIDs           // it knows the ids of this device and of a peer
	proofOfPeer          // it is a peer
)

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

// add returns what is kept of a device. The caller holds mu.
func (a *acquaintances) add(id identity.ID) *acquaintance {
	if a.peers[id] == nil {
		a.peers[id] = &acquaintance{introduction: identity.Introduce(id, a.own.ID())}
	}
	return a.peers[id]
}

// configure sets the ids of the peers. It forgets all other devices.
func (a *acquaintances) configure(peers map[identity.ID]*peer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.peers, func(id identity.ID, _ *acquaintance) bool { return peers[id] == nil })
	for id := range peers {
		a.add(id)
	}
}

// learn reports whether key, of the device id, is new.
func (a *acquaintances) learn(id identity.ID, key ed25519.PublicKey) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if x := a.peers[id]; x != nil && x.key != nil {
		return false
	}
	x := a.add(id)
	key = slices.Clone(key)
	x.key, x.shared = key, sync.OnceValues(func() (identity.Acquaintance, error) { return a.own.Acquaint(key) })
	x.token = sync.OnceValues(func() (identity.RelayToken, error) { return a.own.RelayToken(key) })
	return true
}

// isKnown reports whether the public key of a peer is known.
func (a *acquaintances) isKnown(id identity.ID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	x := a.peers[id]
	return x != nil && x.key != nil
}

// relayToken returns the token of a peer whose public key is known.
func (a *acquaintances) relayToken(id identity.ID) (identity.RelayToken, error) {
	a.mu.Lock()
	var token func() (identity.RelayToken, error)
	if x := a.peers[id]; x != nil {
		token = x.token
	}
	a.mu.Unlock()
	if token == nil {
		return identity.RelayToken{}, errNoPeer
	}
	return token()
}

// keys returns the public keys in the order of the ids.
func (a *acquaintances) keys() []ed25519.PublicKey {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []ed25519.PublicKey
	for _, id := range slices.SortedFunc(maps.Keys(a.peers), identity.ID.Compare) {
		if key := a.peers[id].key; key != nil {
			all = append(all, key)
		}
	}
	return all
}

// clientConfig returns the TLS configuration to dial a peer.
func (a *acquaintances) clientConfig(peer identity.ID) *tls.Config {
	a.mu.Lock()
	defer a.mu.Unlock()
	shared := identity.Introduce(a.own.ID(), peer)
	if x := a.peers[peer]; x != nil && x.key != nil {
		if of, err := x.shared(); err == nil {
			shared = of
		}
	}
	return a.own.ClientConfigFor(peer, &shared)
}

// proven returns what the protocols of a ClientHello prove. A repeated proof is
// worth nothing. It costs two MACs for each peer.
func (a *acquaintances) proven(protocols []string) proof {
	nonce, text, ok := identity.ProofNonce(protocols)
	if !ok {
		return proofOfNothing
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, x := range a.peers {
		var got proof
		switch {
		case x.isFrom(a.own, id, nonce, text):
			got = proofOfPeer
		case a.own.Proves(&x.introduction, id, nonce, text):
			got = proofOfIDs
		default:
			continue
		}
		if slices.Contains(x.used, nonce) {
			return proofOfNothing
		}
		if x.used = append(x.used, nonce); len(x.used) > maxNonces {
			x.used = slices.Delete(x.used, 0, 1)
		}
		return got
	}
	return proofOfNothing
}

// isFrom reports whether a proof was made with the secret that the device id
// shares with this one.
func (x *acquaintance) isFrom(own *identity.Identity, id identity.ID, nonce identity.Nonce, proof string) bool {
	if x.key == nil {
		return false
	}
	shared, err := x.shared()
	return err == nil && own.Proves(&shared, id, nonce, proof)
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
