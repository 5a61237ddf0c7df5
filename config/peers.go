package config

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// peers reads the map of peers. As with host names, case makes no difference
// between names. An id belongs to one peer only.
func (r *reader) peers(dst map[string]Peer) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		spelling := map[string]string{} // name in the file by its lower-case form
		owner := map[string]string{}    // name by id
		misplaced := hasPeerKeys(n)     // keys of a peer are not under its name
		r.entries(path, n, func(name string, at, value *yaml.Node) {
			switch {
			case isPeerKey(name) && value.Kind == yaml.ScalarNode && !isNull(value):
				r.fault(at, "%s: %s is a key of a peer: indent it under the name of the peer", join(path, name), name)
				return
			case isTopLevel(name) && value.Kind == yaml.MappingNode && !looksLikePeer(value):
				r.topLevelFault(path, at)
				return
			}
			if err := peerName(name); err != nil {
				r.fault(at, "%v", err)
			}
			folded := strings.ToLower(name)
			if other, ok := spelling[folded]; !ok {
				spelling[folded] = name
			} else if other != name {
				r.fault(at, "duplicate peer %s: %s is the same name", join(path, name), quote(other))
			}

			p := Peer{Name: name}
			r.section(join(path, name), r.peerKeys(&p), value)
			if lacksID(value) && (!misplaced || !isNull(value)) {
				r.fault(at, "peer %s has no id: copy it from `vchatctl id` on that device", quote(name))
			}
			other, taken := owner[p.ID]
			if taken && p.ID != "" && !strings.EqualFold(other, name) {
				r.fault(valueOf(value, "id"), "%s.id is the same as that of peer %s", join(path, name), quote(other))
			}
			owner[p.ID] = name
			dst[name] = p
		})
	}
}

// OwnIDText is the fault of a peer with this device's own id.
const OwnIDText = "this device's own id: was the card cloned? `vchatd new-id` makes a new one"

// ownPeers reports the peers with the id of this device.
func (r *reader) ownPeers(peers map[string]Peer, own string) {
	for name, p := range peers {
		if own == "" || p.ID != own {
			continue
		}
		if id := valueOf(valueOf(valueOf(r.root, "peers"), name), "id"); id != nil {
			r.fault(id, "%s is %s", join(join("peers", name), "id"), OwnIDText)
		}
	}
}

// hasPeerKeys reports whether a map has values under keys of a peer.
func hasPeerKeys(n *yaml.Node) bool {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if v := n.Content[i+1]; isPeerKey(n.Content[i].Value) && v.Kind == yaml.ScalarNode && !isNull(v) {
			return true
		}
	}
	return false
}

// looksLikePeer reports whether the map of an unknown key is that of a peer.
func looksLikePeer(n *yaml.Node) bool { return valueOf(n, "id") != nil || valueOf(n, "address") != nil }

// lacksID reports whether a peer has no id. A wrong id is a fault of its own.
func lacksID(peer *yaml.Node) bool {
	if isRefused(peer) || peer.Kind != yaml.MappingNode && !isNull(peer) {
		return false
	}
	id := valueOf(peer, "id")
	return id == nil || isNull(id) || id.Kind == yaml.ScalarNode && id.Value == "" && !isRefused(id)
}

// valueOf returns the value of a key in a map; nil if it is missing.
func valueOf(n *yaml.Node, name string) *yaml.Node {
	for i := 0; n != nil && n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}
