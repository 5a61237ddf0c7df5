package config

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// peers takes the map of peers. Names that differ only in case are the same, as host names are; and an id is one
// device, so two peers with the same id would be one device with two names.
func (r *reader) peers(dst map[string]Peer) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		spelling := map[string]string{} // by the name in lower case
		owner := map[string]string{}    // by id
		r.entries(path, n, func(name string, at, value *yaml.Node) {
			if err := peerName(name); err != nil {
				r.fault(at, "%v", err)
			}
			folded := strings.ToLower(name)
			if other, ok := spelling[folded]; !ok {
				spelling[folded] = name
			} else if other != name {
				r.fault(at, "%s is given twice: %s is the same name", join(path, name), quote(other))
			}

			p := Peer{Name: name}
			r.section(join(path, name), r.peerKeys(&p), value)
			if lacksID(value) {
				r.fault(at, "peer %s needs the id that `vchatctl id` prints there", quote(name))
			}
			other, taken := owner[p.ID]
			if taken && p.ID != "" && !strings.EqualFold(other, name) {
				r.fault(valueOf(value, "id"), "%s.id is already that of peer %s", join(path, name), quote(other))
			}
			owner[p.ID] = name
			dst[name] = p
		})
	}
}

// lacksID tells that a peer has no id: not that it has a wrong one, which has its own fault.
func lacksID(peer *yaml.Node) bool {
	if refused(peer) || peer.Kind != yaml.MappingNode && !isNull(peer) {
		return false
	}
	id := valueOf(peer, "id")
	return id == nil || isNull(id) || id.Kind == yaml.ScalarNode && id.Value == "" && !refused(id)
}

// valueOf finds a key's value in a map; nil if it is not there.
func valueOf(n *yaml.Node, name string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}
