package config

import (
	"strconv"
	"time"

	"gopkg.in/yaml.v3"
)

// key is one key of a section. It has either keys of its own or a function that
// sets its value. path is the full key, such as camera.fps, for messages.
type key struct {
	name string
	set  func(path string, n *yaml.Node)
	keys []key
}

// keys returns the table of all keys and their fields in c.
func (r *reader) keys(c *Config) []key {
	return []key{
		{name: "name", set: r.string(&c.Name, deviceName)},
		{name: "listen", set: r.string(&c.Listen, optional(listenAddress(`":7450" or "[::1]:7450"`)))},
		{name: "camera", keys: r.cameraKeys(&c.Camera)},
		{name: "peers", set: r.peers(c.Peers)},
		{name: "relay", set: r.relays(&c.Relay)},
		{name: "relay_proxy", set: r.proxy(&c.RelayProxy)},
		{name: "calls", keys: []key{
			{name: "max", set: r.integer(&c.Calls.Max, 1, 16)},
			{name: "ring_timeout", set: r.duration(&c.Calls.RingTimeout, time.Second, time.Hour)},
			{name: "resume_for", set: r.duration(&c.Calls.ResumeFor, 0, 24*time.Hour)},
			{name: "do_not_disturb", set: r.boolean(&c.Calls.DoNotDisturb)},
		}},
		{name: "discovery", set: r.boolean(&c.Discovery)},
		{name: "control", keys: []key{
			{name: "socket", set: r.string(&c.Control.Socket, socketPath)},
			{name: "watch_group", set: r.string(&c.Control.WatchGroup, optional(groupName))},
			{name: "group", set: r.string(&c.Control.Group, optional(groupName))},
			{name: "pair_group", set: r.string(&c.Control.PairGroup, optional(groupName))},
			{name: "admin_group", set: r.string(&c.Control.AdminGroup, optional(groupName))},
		}},
		{name: "metrics", set: r.string(&c.Metrics, optional(listenAddress(`"127.0.0.1:7451"`)))},
		{name: "feeds", set: r.string(&c.Feeds, optional(listenAddress(`"127.0.0.1:7452"`)))},
		{name: "state_dir", set: r.string(&c.StateDir, absolutePath)},
		{name: "hooks", keys: []key{
			{name: "ring", set: r.argv(&c.Hooks.Ring)},
			{name: "answered", set: r.argv(&c.Hooks.Answered)},
			{name: "ended", set: r.argv(&c.Hooks.Ended)},
			{name: "missed", set: r.argv(&c.Hooks.Missed)},
			{name: "text", set: r.argv(&c.Hooks.Text)},
			{name: "camera_lost", set: r.argv(&c.Hooks.CameraLost)},
			{name: "camera_found", set: r.argv(&c.Hooks.CameraFound)},
		}},
		{name: "log", keys: []key{
			{name: "level", set: r.choice(func(s string) { _ = c.Log.Level.UnmarshalText([]byte(s)) },
				"debug", "info", "warn", "error")},
		}},
	}
}

func (r *reader) cameraKeys(c *Camera) []key {
	return []key{
		{name: "device", set: r.string(&c.Device, cameraDevice)},
		{name: "size", set: r.size(&c.Size)},
		{name: "fps", set: r.integer(&c.FPS, 1, MaxFPS)},
		{name: "format", set: r.choice(func(s string) { c.Format = s }, "auto", "mjpeg", "yuyv", "nv12", "grey")},
		{name: "raw", set: r.choice(func(s string) { c.Raw = s }, "jpeg", "lz4")},
		{name: "rotate", set: r.choice(func(s string) { c.Rotate, _ = strconv.Atoi(s) }, "0", "90", "180", "270")},
		{name: "usb_reset", set: r.boolean(&c.USBReset)},
		{name: "controls", set: r.controls(c.Controls)},
	}
}

func (r *reader) peerKeys(p *Peer) []key {
	return []key{
		{name: "address", set: r.string(&p.Address, optional(peerAddress))},
		{name: "proxy", set: r.proxy(&p.Proxy)},
		{name: "id", set: r.id(&p.ID)},
		{name: "auto_answer", set: r.boolean(&p.AutoAnswer)},
		{name: "max_bitrate", set: r.decimal(&p.MaxBitrate, maxBitrate, "Mbit/s")},
	}
}

// section reads a map with these keys. A key without a value keeps its default.
func (r *reader) section(path string, keys []key, n *yaml.Node) {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
	}
	r.entries(path, n, func(name string, at, value *yaml.Node) {
		for _, k := range keys {
			switch {
			case k.name != name:
				continue
			case k.set == nil:
				r.section(join(path, name), k.keys, value)
			case !isNull(value) && !isRefused(value):
				k.set(join(path, name), value)
			}
			return
		}
		r.unknownKey(path, names, at, value)
	})
}

// entries calls visit for each entry of a map in the order of the file, also
// for duplicates, which are faults.
func (r *reader) entries(path string, n *yaml.Node, visit func(name string, at, value *yaml.Node)) {
	if isNull(n) || isRefused(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		if path == "" {
			path = "the file"
		}
		r.fault(n, `%s must contain "KEY: VALUE" lines, not %s`, path, describe(n))
		return
	}
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		at, value := n.Content[i], n.Content[i+1]
		if isRefused(at) {
			continue
		}
		if at.Kind != yaml.ScalarNode {
			r.fault(at, "a key must be text, not %s", describe(at))
			continue
		}
		if line, twice := first[at.Value]; twice {
			r.fault(at, "duplicate key %s: first in line %d", join(path, at.Value), line)
		} else {
			first[at.Value] = at.Line
		}
		if r.lines != nil && !isNull(value) {
			r.lines[join(path, at.Value)] = at.Line
		}
		visit(at.Value, at, value)
	}
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == "!!null" && n.Style&yaml.TaggedStyle == 0
}

// join appends a key to the path of its section. It quotes keys with special
// characters.
func join(path, name string) string {
	if q := quote(name); q != `"`+name+`"` {
		name = q
	}
	if path == "" {
		return name
	}
	return path + "." + name
}
