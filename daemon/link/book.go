package link

import "slices"

// book is what is known of where a peer can be dialled.
type book struct {
	address string   // as configured: host:port, or empty
	good    string   // the one that was dialled last with success
	known   []string // what address stood for when it was looked up last
	last    string   // where the last link came from or went to
}

// candidates gives what can be dialled without asking anybody, best first. It is the caller's own: attempts that run at the
// same time add what they learn to it.
func (b *book) candidates() []string {
	if b.good == "" {
		return slices.Clone(b.known)
	}
	others := slices.DeleteFunc(slices.Clone(b.known), func(a string) bool { return a == b.good })
	return append([]string{b.good}, others...)
}
