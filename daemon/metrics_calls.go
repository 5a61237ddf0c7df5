package daemon

import (
	"time"

	"vchat/daemon/api"
	"vchat/daemon/metrics"
)

// writeCallMetrics writes the metrics of the calls. Frame counters restart at
// zero with each call, as PromQL's rate() expects.
func writeCallMetrics(t *metrics.Text, calls []api.Call, now time.Time) {
	state := t.Metric("vchat_call_state", metrics.Gauge, "1 for the current state of the call, 0 for the others.")
	for _, c := range calls {
		for _, x := range []api.CallState{
			api.CallCalling, api.CallRinging, api.CallIncoming, api.CallActive, api.CallResuming,
		} {
			state.Add(truth(c.State == x), "peer", c.Peer, "state", string(x))
		}
	}
	age := t.Metric("vchat_call_seconds", metrics.Gauge, "Time since the call was dialled.")
	for _, c := range calls {
		if !c.Started.IsZero() {
			age.Add(now.Sub(c.Started).Seconds(), "peer", c.Peer)
		}
	}
	writeSendingMetrics(t, calls)
	writeReceivingMetrics(t, calls)
	writeDelayMetrics(t, calls)
}

func writeSendingMetrics(t *metrics.Text, calls []api.Call) {
	for _, m := range []struct {
		name  string
		kind  metrics.Kind
		help  string
		value func(*api.Sending) float64
	}{
		{"vchat_sending_frames_per_second", metrics.Gauge, "Frames sent per second, lately.",
			func(s *api.Sending) float64 { return s.FPS }},
		{"vchat_sending_bytes_per_second", metrics.Gauge, "Bytes of frames sent per second, lately.",
			func(s *api.Sending) float64 { return s.MbitS * 1e6 / 8 }},
		{"vchat_sending_frames_total", metrics.Counter, "Frames sent.",
			func(s *api.Sending) float64 { return float64(s.Frames) }},
		{"vchat_sending_reduced", metrics.Gauge, "1 while frames are sent below the camera's quality.",
			func(s *api.Sending) float64 { return truth(s.Quality == api.QualityReduced) }},
		{"vchat_sending_lost_total", metrics.Counter, "Frames missing at the peer, by gaps in the sequence.",
			func(s *api.Sending) float64 {
				if s.Received == nil {
					return 0
				}
				return float64(s.Received.Lost)
			}},
	} {
		metric := t.Metric(m.name, m.kind, m.help)
		for _, c := range calls {
			if c.Sending != nil {
				metric.Add(m.value(c.Sending), "peer", c.Peer)
			}
		}
	}
	// Every reason is present from the start: rate() needs a first sample of 0.
	dropped := t.Metric("vchat_sending_dropped_total", metrics.Counter, "Frames not sent, by reason.")
	for _, c := range calls {
		if c.Sending == nil {
			continue
		}
		for _, reason := range []string{dropLink, dropLimit, dropTooBig, dropBroken} {
			dropped.Add(float64(c.Sending.DroppedBy[reason]), "peer", c.Peer, "reason", reason)
		}
	}
}

func writeReceivingMetrics(t *metrics.Text, calls []api.Call) {
	for _, m := range []struct {
		name  string
		kind  metrics.Kind
		help  string
		value func(*api.Receiving) float64
	}{
		{"vchat_receiving_frames_per_second", metrics.Gauge, "Frames received per second, lately.",
			func(r *api.Receiving) float64 { return r.FPS }},
		{"vchat_receiving_bytes_per_second", metrics.Gauge, "Bytes of frames received per second, lately.",
			func(r *api.Receiving) float64 { return r.MbitS * 1e6 / 8 }},
		{"vchat_receiving_frames_total", metrics.Counter, "Valid frames received.",
			func(r *api.Receiving) float64 { return float64(r.Frames) }},
		{"vchat_receiving_lost_total", metrics.Counter, "Frames missing here, by gaps in the sequence.",
			func(r *api.Receiving) float64 { return float64(r.Lost) }},
		{"vchat_receiving_broken_total", metrics.Counter, "Invalid frames received.",
			func(r *api.Receiving) float64 { return float64(r.Broken) }},
		{"vchat_receiving_age_seconds", metrics.Gauge, "Time since the newest frame was captured.",
			func(r *api.Receiving) float64 { return r.AgeMS / 1e3 }},
	} {
		metric := t.Metric(m.name, m.kind, m.help)
		for _, c := range calls {
			if c.Receiving != nil {
				metric.Add(m.value(c.Receiving), "peer", c.Peer)
			}
		}
	}
}

// writeDelayMetrics writes percentiles over the last seconds. They are gauges,
// because a Prometheus summary covers the whole life of the process, and so
// they must not have its label "quantile".
func writeDelayMetrics(t *metrics.Text, calls []api.Call) {
	for _, m := range []struct {
		name      string
		help      string
		quantiles func(api.Call) *api.Quantiles
	}{
		{"vchat_receiving_delay_seconds", "From a frame's capture at the peer to its arrival here.",
			func(c api.Call) *api.Quantiles {
				if c.Receiving == nil {
					return nil
				}
				return &c.Receiving.LatencyMS
			}},
		{"vchat_receiving_transfer_seconds", "From a frame's first byte to its last.",
			func(c api.Call) *api.Quantiles {
				if c.Receiving == nil {
					return nil
				}
				return &c.Receiving.TransferMS
			}},
		{"vchat_sending_delay_seconds", "From a frame's capture here to its arrival at the peer.",
			func(c api.Call) *api.Quantiles {
				if c.Sending == nil || c.Sending.Received == nil {
					return nil
				}
				return &c.Sending.Received.DelayMS
			}},
	} {
		metric := t.Metric(m.name, metrics.Gauge, m.help)
		for _, c := range calls {
			if q := m.quantiles(c); q != nil {
				metric.Add(q.P50/1e3, "peer", c.Peer, "percentile", "50")
				metric.Add(q.P99/1e3, "peer", c.Peer, "percentile", "99")
			}
		}
	}
}
