package link

import (
	"slices"

	"vchat/daemon/socks"
)

// addressBook holds the addresses of a peer.
type addressBook struct {
	configured string       // host:port, or empty
	proxy      *socks.Proxy // by which configured is dialled; nil: none
	lastGood   string       // the last one that was dialled with success
	resolved   []string     // of configured, from the last lookup
	lastRemote string       // of the last link, dialled by either side

	found     []*foundAddress // announced on the network; see found.go
	foundGood string          // one that was dialled with success and is not configured
}

// candidates returns the addresses of configured, best first. The caller owns
// the slice: concurrent attempts append to theirs.
func (b *addressBook) candidates() []string {
	if b.proxy != nil && b.configured != "" {
		return []string{b.configured}
	}
	if b.lastGood == "" {
		return slices.Clone(b.resolved)
	}
	others := slices.DeleteFunc(slices.Clone(b.resolved), func(a string) bool { return a == b.lastGood })
	return append([]string{b.lastGood}, others...)
}
