package link

// Link returns the link to a peer, or nil.
func (ls *Links) Link(peer string) *Link {
	if p := ls.peer(peer); p != nil {
		return p.link()
	}
	return nil
}
