package daemon

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/metrics"
)

// Metrics returns the page for Prometheus: what Status reports, in base units,
// and the resources of this process.
func (d *Daemon) Metrics() string {
	var t metrics.Text
	writeMetrics(&t, d.Status(), time.Now())
	metrics.Process(&t, d.started)
	return t.String()
}

func writeMetrics(t *metrics.Text, s api.Status, now time.Time) {
	t.Metric("vchat_build_info", metrics.Gauge, "The version of vchatd.").Add(1, "version", s.Version)
	t.Metric("vchat_uptime_seconds", metrics.Gauge, "Time since vchatd started.").Add(float64(s.UptimeMS) / 1e3)
	t.Metric("vchat_privacy", metrics.Gauge, "1 while privacy mode keeps the camera closed.").Add(truth(s.Privacy))
	t.Metric("vchat_problems", metrics.Gauge, "Problems that status lists.").Add(float64(len(s.Problems)))
	writeStrangerMetrics(t, s.Strangers)
	writeCameraMetrics(t, s.Camera)
	writeLinkMetrics(t, s.Peers)
	writeRelayMetrics(t, s.Relays)
	writeCallMetrics(t, s.Calls, now)
	writeViewerMetrics(t, s.Viewers)
}

func writeStrangerMetrics(t *metrics.Text, s api.Strangers) {
	t.Metric("vchat_stranger_connections", metrics.Gauge, "Connections without a peer's key now.").Add(float64(s.Now))
	counter := func(name, help string, n uint64) { t.Metric(name, metrics.Counter, help).Add(float64(n)) }
	counter("vchat_accepted_total", "Connections accepted, peers' included.", s.Accepted)
	counter("vchat_evicted_total", "Connections closed early because there were too many.", s.Evicted)
	counter("vchat_refused_total", "Connections refused because of an unknown key.", s.Refused)
}

func writeCameraMetrics(t *metrics.Text, c api.Camera) {
	state := t.Metric("vchat_camera_state", metrics.Gauge, "1 for the current state of the camera, 0 for the others.")
	for _, x := range []api.CameraState{
		api.CameraIdle, api.CameraOpening, api.CameraStreaming, api.CameraLost, api.CameraFailed,
	} {
		state.Add(truth(c.State == x), "state", string(x))
	}
	t.Metric("vchat_camera_frames_per_second", metrics.Gauge, "Frames captured per second, lately.").Add(c.FPS)
	counter := func(name, help string, n uint64) { t.Metric(name, metrics.Counter, help).Add(float64(n)) }
	counter("vchat_camera_frames_total", "Valid frames captured.", c.Frames)
	counter("vchat_camera_dropped_total", "Frames lost in the camera or driver, by gaps in the sequence.", c.Dropped)
	broken := t.Metric("vchat_camera_broken_total", metrics.Counter, "Invalid frames from the camera, by reason.")
	for _, reason := range slices.Sorted(maps.Keys(c.BrokenBy)) {
		broken.Add(float64(c.BrokenBy[reason]), "reason", reason)
	}
	counter("vchat_camera_reopened_total", "Times the camera was opened again.", c.Reopened)
	counter("vchat_camera_restarted_total", "Times a stalled stream was restarted.", c.Restarted)
	counter("vchat_camera_usb_resets_total", "Times the USB device was reset.", c.USBResets)
}

func writeLinkMetrics(t *metrics.Text, peers []api.Peer) {
	for _, m := range []struct {
		name     string
		kind     metrics.Kind
		help     string
		measured bool // absent until a heartbeat has measured the link
		value    func(api.Link) float64
	}{
		{"vchat_link_up", metrics.Gauge, "1 while the link to the peer is up.", false,
			func(l api.Link) float64 { return truth(l.State == api.LinkUp) }},
		{"vchat_link_reconnects_total", metrics.Counter, "Links after the first one.", false,
			func(l api.Link) float64 { return float64(l.Reconnects) }},
		{"vchat_link_sent_bytes_total", metrics.Counter, "Bytes sent to the peer, TLS included.", false,
			func(l api.Link) float64 { return float64(l.SentBytes) }},
		{"vchat_link_received_bytes_total", metrics.Counter, "Bytes received from the peer, TLS included.", false,
			func(l api.Link) float64 { return float64(l.ReceivedBytes) }},
		{"vchat_link_rtt_seconds", metrics.Gauge, "Round-trip time of the last heartbeat.", true,
			func(l api.Link) float64 { return l.RTTMS / 1e3 }},
		{"vchat_link_clock_offset_seconds", metrics.Gauge, "The peer's CLOCK_MONOTONIC minus ours.", true,
			func(l api.Link) float64 { return l.ClockOffsetMS / 1e3 }},
	} {
		metric := t.Metric(m.name, m.kind, m.help)
		for _, p := range peers {
			if !m.measured || p.Link.State == api.LinkUp && p.Link.RTTMS > 0 {
				metric.Add(m.value(p.Link), "peer", p.Name)
			}
		}
	}
	path := t.Metric("vchat_link_path", metrics.Gauge, "1 for the path of the link to the peer, 0 for the others.")
	for _, p := range peers {
		for _, x := range []api.Path{api.PathDirect, api.PathProxy, api.PathRelay} {
			path.Add(truth(p.Link.Path == x), "peer", p.Name, "path", string(x))
		}
	}
}

func writeRelayMetrics(t *metrics.Text, relays []api.Relay) {
	usable := t.Metric("vchat_relay_usable", metrics.Gauge, "1 while the relay can be used.")
	for _, r := range relays {
		usable.Add(truth(r.Reason == ""), "relay", r.Address)
	}
}

func writeViewerMetrics(t *metrics.Text, viewers []api.Viewer) {
	rate := t.Metric("vchat_viewer_frames_per_second", metrics.Gauge, "Frames per second to the viewer, lately.")
	for _, v := range viewers {
		rate.Add(v.FPS, "feed", v.Feed, "viewer", strconv.FormatUint(v.ID, 10))
	}
	dropped := t.Metric("vchat_viewer_dropped_total", metrics.Counter, "Frames dropped because the viewer was slow.")
	for _, v := range viewers {
		dropped.Add(float64(v.Dropped), "feed", v.Feed, "viewer", strconv.FormatUint(v.ID, 10))
	}
}

// truth returns 1 for true and 0 for false.
func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
