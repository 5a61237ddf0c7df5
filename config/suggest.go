package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"gopkg.in/yaml.v3"
)

// otherWords maps words of other programs to the full keys of this file.
var otherWords = map[string]string{
	"autoanswer": "peers.NAME.auto_answer", "bind": "listen", "bitrate": "peers.NAME.max_bitrate",
	"bandwidth": "peers.NAME.max_bitrate", "codec": "camera.format", "contacts": "peers", "debug": "log.level",
	"dnd": "calls.do_not_disturb", "fingerprint": "peers.NAME.id", "frame_rate": "camera.fps",
	"framerate": "camera.fps", "host": "peers.NAME.address", "hostname": "name", "key": "peers.NAME.id",
	"log_level": "log.level", "loglevel": "log.level", "pixel_format": "camera.format", "port": "listen",
	"prometheus": "metrics", "resolution": "camera.size", "rotation": "camera.rotate", "source": "camera.device",
	"timeout": "calls.ring_timeout", "video": "camera", "webcam": "camera",
}

// unknownKey reports a key that the section at path does not have. It suggests
// a similar key, or the section where the key belongs.
func (r *reader) unknownKey(path string, names []string, at, value *yaml.Node) {
	name := at.Value
	if len(r.faults) == maxFaults {
		return
	}
	if same := similar(name, names); same != "" {
		r.fault(at, "unknown key %s: did you mean %q?", quote(name), same)
		return
	}
	if path == "" && looksLikePeer(value) {
		r.fault(at, `unknown key %s: if it is a peer, indent it and its block under "peers:"`, quote(name))
		return
	}
	if path == "peers.peers" && looksLikePeer(value) {
		r.fault(at, `unknown key %s: "peers:" is there twice; remove the second and unindent its block`, quote(name))
		return
	}
	if path != "" && isTopLevel(name) {
		r.topLevelFault(path, at)
		return
	}
	if full := keyElsewhere(name); full != "" && parent(full) != pattern(path) {
		r.fault(at, "unknown key %s: did you mean %s? %s", quote(name), full, r.moveTo(path, full, at))
		return
	}
	if full := otherWords[strings.ToLower(strings.ReplaceAll(name, "-", "_"))]; full != "" {
		key := full
		if parent(full) == pattern(path) {
			key = strconv.Quote(full[len(parent(full)):])
			key = strings.Replace(key, ".", "", 1)
		}
		r.fault(at, "unknown key %s: did you mean %s?", quote(name), key)
		return
	}
	r.fault(at, "unknown key %s: valid keys: %s", quote(name), strings.Join(names, ", "))
}

// keyElsewhere returns the full key with this name in any section, or with a
// similar one; "" if there are none or several.
func keyElsewhere(name string) string {
	names, full := slices.Collect(maps.Keys(fullKeys())), fullKeys()[name]
	if full == nil {
		slices.Sort(names)
		full = fullKeys()[similar(name, names)]
	}
	if len(full) == 1 {
		return full[0]
	}
	return ""
}

// fullKeys returns the full keys by their last part: camera.fps by fps.
var fullKeys func() map[string][]string

// init: the table refers to functions that need fullKeys.
func init() { fullKeys = sync.OnceValue(listFullKeys) }

func listFullKeys() map[string][]string {
	full := map[string][]string{}
	var walk func(path string, keys []key)
	walk = func(path string, keys []key) {
		for _, k := range keys {
			full[k.name] = append(full[k.name], join(path, k.name))
			walk(join(path, k.name), k.keys)
		}
	}
	walk("", new(reader).keys(&Config{}))
	walk("peers.NAME", new(reader).peerKeys(&Peer{}))
	return full
}

// isTopLevel reports whether name is a key of the top level.
func isTopLevel(name string) bool { return slices.Contains(fullKeys()[name], name) }

// isPeerKey reports whether name is a key of a peer.
func isPeerKey(name string) bool { return slices.Contains(fullKeys()[name], "peers.NAME."+name) }

// moveTo returns how to move the key at this node from the section at path to
// the place of the full key.
func (r *reader) moveTo(path, full string, at *yaml.Node) string {
	section := parent(full)
	switch {
	case section == "" && r.inBraces(path):
		return "move it out of the braces"
	case section == "":
		return fmt.Sprintf("unindent line %d and its block to column 1", at.Line)
	case section == "peers.NAME":
		return "indent it under the name of the peer"
	case path == "":
		return fmt.Sprintf("indent it under %q", section+":")
	}
	return fmt.Sprintf("move it under %q", section+":")
}

// topLevelFault reports a key of the top level in the section at path, where a
// pasted block often ends up.
func (r *reader) topLevelFault(path string, at *yaml.Node) {
	r.fault(at, "%s is a key of the top level, not of %s: %s", quote(at.Value), path, r.moveTo(path, at.Value, at))
}

// inBraces reports whether the section at path, or one around it, is written in
// braces.
func (r *reader) inBraces(path string) bool {
	n := r.root
	for _, name := range strings.Split(path, ".") {
		if n == nil || n.Style&yaml.FlowStyle != 0 {
			break
		}
		n = valueOf(n, name)
	}
	return n != nil && n.Style&yaml.FlowStyle != 0
}

// parent returns the section of a full key; "" for the top level.
func parent(full string) string {
	i := strings.LastIndexByte(full, '.')
	return full[:max(i, 0)]
}

// pattern returns the path of a section with NAME instead of a peer's name.
func pattern(path string) string {
	if strings.HasPrefix(path, "peers.") {
		return "peers.NAME"
	}
	return path
}

// similar returns the most similar known key; "" if none is similar.
func similar(unknown string, known []string) string {
	best, minimum := "", len(unknown)
	for _, k := range known {
		if d := distance(strings.ToLower(unknown), k); d < minimum {
			best, minimum = k, d
		}
	}
	if best != "" && minimum <= max(1, len(best)/3) {
		return best
	}
	return ""
}

// distance returns the number of insertions, deletions, changes and swaps of
// neighbours that turn a into b (optimal string alignment).
func distance(a, b string) int {
	if len(a) > 2*len(b)+8 {
		return len(a) // too long to be similar
	}
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
