package daemon

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/metrics"
)

// Metrics is the page for Prometheus: what Status says, in its base units, and what this process uses.
func (d *Daemon) Metrics() string {
	var t metrics.Text
	writeMetrics(&t, d.Status(), time.Now())
	metrics.Process(&t, d.started)
	return t.String()
}

func writeMetrics(t *metrics.Text, s api.Status, now time.Time) {
	t.Metric("vchat_build_info", metrics.Gauge, "The version of vchatd.").Add(1, "version", s.Version)
	t.Metric("vchat_uptime_seconds", metrics.Gauge, "Since vchatd was started.").Add(float64(s.UptimeMS) / 1e3)
	t.Metric("vchat_privacy", metrics.Gauge, "1 while the camera is switched off.").Add(truth(s.Privacy))
	t.Metric("vchat_problems", metrics.Gauge, "What is not as it should be, as status lists it.").Add(float64(len(s.Problems)))
	writeCameraMetrics(t, s.Camera)
	writeLinkMetrics(t, s.Peers)
	writeCallMetrics(t, s.Calls, now)
	writeViewerMetrics(t, s.Viewers)
}

func writeCameraMetrics(t *metrics.Text, c api.Camera) {
	state := t.Metric("vchat_camera_state", metrics.Gauge, "1 for the state that the camera is in, 0 for the others.")
	for _, x := range []api.CameraState{api.CameraIdle, api.CameraOpening, api.CameraStreaming, api.CameraLost, api.CameraFailed} {
		state.Add(truth(c.State == x), "state", string(x))
	}
	t.Metric("vchat_camera_frames_per_second", metrics.Gauge, "Frames of the last seconds.").Add(c.FPS)
	counter := func(name, help string, n uint64) { t.Metric(name, metrics.Counter, help).Add(float64(n)) }
	counter("vchat_camera_frames_total", "Good frames.", c.Frames)
	counter("vchat_camera_dropped_total", "Frames that the camera's own count says were lost.", c.Dropped)
	broken := t.Metric("vchat_camera_broken_total", metrics.Counter, "Frames that were no whole ones, by what was wrong with them.")
	for _, why := range slices.Sorted(maps.Keys(c.BrokenBy)) {
		broken.Add(float64(c.BrokenBy[why]), "reason", why)
	}
	counter("vchat_camera_reopened_total", "Times that the camera was opened again.", c.Reopened)
	counter("vchat_camera_restarted_total", "Times that its stream was started again because of silence.", c.Restarted)
	counter("vchat_camera_usb_resets_total", "Times that its USB device was reset.", c.USBResets)
}

// column is a metric that has a value for each of several things; ok is false for a thing that has none.
type column[T any] struct {
	name  string
	kind  metrics.Kind
	help  string
	value func(T) (v float64, ok bool)
}

// writeColumns writes metric by metric what would be easier to write thing by thing; label gives the labels of each.
func writeColumns[T any](t *metrics.Text, things []T, label func(T) []string, columns []column[T]) {
	for _, c := range columns {
		m := t.Metric(c.name, c.kind, c.help)
		for _, x := range things {
			if v, ok := c.value(x); ok {
				m.Add(v, label(x)...)
			}
		}
	}
}

func writeLinkMetrics(t *metrics.Text, peers []api.Peer) {
	always := func(v float64) (float64, bool) { return v, true }
	measured := func(p api.Peer, ms float64) (float64, bool) {
		return ms / 1e3, p.Link.State == api.LinkUp && p.Link.RTTMS > 0
	}
	writeColumns(t, peers, func(p api.Peer) []string { return []string{"peer", p.Name} }, []column[api.Peer]{
		{"vchat_link_up", metrics.Gauge, "1 while there is a link to the peer.",
			func(p api.Peer) (float64, bool) { return always(truth(p.Link.State == api.LinkUp)) }},
		{"vchat_link_reconnects_total", metrics.Counter, "Links after the first one.",
			func(p api.Peer) (float64, bool) { return always(float64(p.Link.Reconnects)) }},
		{"vchat_link_sent_bytes_total", metrics.Counter, "Bytes sent over links to the peer, with those of TLS.",
			func(p api.Peer) (float64, bool) { return always(float64(p.Link.SentBytes)) }},
		{"vchat_link_received_bytes_total", metrics.Counter, "Bytes received over links to the peer, with those of TLS.",
			func(p api.Peer) (float64, bool) { return always(float64(p.Link.ReceivedBytes)) }},
		{"vchat_link_rtt_seconds", metrics.Gauge, "Round trip of the last heartbeat.",
			func(p api.Peer) (float64, bool) { return measured(p, p.Link.RTTMS) }},
		{"vchat_link_clock_offset_seconds", metrics.Gauge, "How far the peer's CLOCK_MONOTONIC is ahead of ours.",
			func(p api.Peer) (float64, bool) { return measured(p, p.Link.ClockOffsetMS) }},
	})
}

func writeViewerMetrics(t *metrics.Text, viewers []api.Viewer) {
	label := func(v api.Viewer) []string { return []string{"feed", v.Feed, "viewer", strconv.FormatUint(v.ID, 10)} }
	writeColumns(t, viewers, label, []column[api.Viewer]{
		{"vchat_viewer_frames_per_second", metrics.Gauge, "Frames that a viewer took in the last seconds.",
			func(v api.Viewer) (float64, bool) { return v.FPS, true }},
		{"vchat_viewer_dropped_total", metrics.Counter, "Frames that a viewer was too slow for, since it came.",
			func(v api.Viewer) (float64, bool) { return float64(v.Dropped), true }},
	})
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
