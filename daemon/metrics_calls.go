package daemon

import (
	"time"

	"vchat/daemon/api"
	"vchat/daemon/metrics"
)

// writeCallMetrics writes what is known of calls. What counts frames begins again at 0 with each link.
func writeCallMetrics(t *metrics.Text, calls []api.Call, now time.Time) {
	state := t.Metric("vchat_call_state", metrics.Gauge, "1 for the state that a call is in, 0 for the others.")
	for _, c := range calls {
		for _, x := range []api.CallState{api.CallCalling, api.CallRinging, api.CallIncoming, api.CallActive, api.CallResuming} {
			state.Add(truth(c.State == x), "peer", c.Peer, "state", string(x))
		}
	}
	label := func(c api.Call) []string { return []string{"peer", c.Peer} }
	writeColumns(t, calls, label, []column[api.Call]{{"vchat_call_seconds", metrics.Gauge, "Since the call was asked for.",
		func(c api.Call) (float64, bool) { return now.Sub(c.Started).Seconds(), !c.Started.IsZero() }}})
	writeColumns(t, calls, label, sendingColumns)
	writeDrops(t, calls)
	writeColumns(t, calls, label, receivingColumns)
	writeDelays(t, calls)
}

var sendingColumns = []column[api.Call]{
	sent("vchat_sending_frames_per_second", metrics.Gauge, "Frames sent in the last seconds.", func(s *api.Sending) float64 { return s.FPS }),
	sent("vchat_sending_bytes_per_second", metrics.Gauge, "Their bytes.", func(s *api.Sending) float64 { return s.MbitS * 1e6 / 8 }),
	sent("vchat_sending_frames_total", metrics.Counter, "Frames sent.", func(s *api.Sending) float64 { return float64(s.Frames) }),
	sent("vchat_sending_reduced", metrics.Gauge, "1 while frames go in less than the camera's quality.",
		func(s *api.Sending) float64 { return truth(s.Quality == api.QualityReduced) }),
	sent("vchat_sending_lost_total", metrics.Counter, "Gaps in the frames sent, as the peer sees them.", func(s *api.Sending) float64 {
		if s.Received == nil {
			return 0
		}
		return float64(s.Received.Lost)
	}),
}

var receivingColumns = []column[api.Call]{
	received("vchat_receiving_frames_per_second", metrics.Gauge, "Frames received in the last seconds.", func(r *api.Receiving) float64 { return r.FPS }),
	received("vchat_receiving_bytes_per_second", metrics.Gauge, "Their bytes.", func(r *api.Receiving) float64 { return r.MbitS * 1e6 / 8 }),
	received("vchat_receiving_frames_total", metrics.Counter, "Good frames received.", func(r *api.Receiving) float64 { return float64(r.Frames) }),
	received("vchat_receiving_lost_total", metrics.Counter, "Gaps in the frames received.", func(r *api.Receiving) float64 { return float64(r.Lost) }),
	received("vchat_receiving_broken_total", metrics.Counter, "Frames received that were of no use.", func(r *api.Receiving) float64 { return float64(r.Broken) }),
	received("vchat_receiving_age_seconds", metrics.Gauge, "Since the newest frame was taken.", func(r *api.Receiving) float64 { return r.AgeMS / 1e3 }),
}

func sent(name string, kind metrics.Kind, help string, value func(*api.Sending) float64) column[api.Call] {
	return column[api.Call]{name, kind, help, func(c api.Call) (float64, bool) {
		if c.Sending == nil {
			return 0, false
		}
		return value(c.Sending), true
	}}
}

func received(name string, kind metrics.Kind, help string, value func(*api.Receiving) float64) column[api.Call] {
	return column[api.Call]{name, kind, help, func(c api.Call) (float64, bool) {
		if c.Receiving == nil {
			return 0, false
		}
		return value(c.Receiving), true
	}}
}

// writeDrops writes each reason, also those that have not come up: a counter that is there from the beginning has a rate.
func writeDrops(t *metrics.Text, calls []api.Call) {
	m := t.Metric("vchat_sending_dropped_total", metrics.Counter, "Frames that were not sent, by reason.")
	for _, c := range calls {
		if c.Sending == nil {
			continue
		}
		for _, reason := range []string{dropLink, dropLimit, dropTooBig} {
			m.Add(float64(c.Sending.DroppedBy[reason]), "peer", c.Peer, "reason", reason)
		}
	}
}

// writeDelays writes quantiles of the last seconds. They are gauges: a summary would be of all time.
func writeDelays(t *metrics.Text, calls []api.Call) {
	of := func(name, help string, quantiles func(api.Call) *api.Quantiles) {
		m := t.Metric(name, metrics.Gauge, help)
		for _, c := range calls {
			if q := quantiles(c); q != nil {
				m.Add(q.P50/1e3, "peer", c.Peer, "quantile", "0.5")
				m.Add(q.P99/1e3, "peer", c.Peer, "quantile", "0.99")
			}
		}
	}
	of("vchat_receiving_delay_seconds", "From a frame's capture there to its arrival here.", func(c api.Call) *api.Quantiles {
		if c.Receiving == nil {
			return nil
		}
		return &c.Receiving.LatencyMS
	})
	of("vchat_receiving_transfer_seconds", "From a frame's first byte to its last.", func(c api.Call) *api.Quantiles {
		if c.Receiving == nil {
			return nil
		}
		return &c.Receiving.TransferMS
	})
	of("vchat_sending_delay_seconds", "From a frame's capture here to its arrival there, as the peer says.", func(c api.Call) *api.Quantiles {
		if c.Sending == nil || c.Sending.Received == nil {
			return nil
		}
		return &c.Sending.Received.DelayMS
	})
}
