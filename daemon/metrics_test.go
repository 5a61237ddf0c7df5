package daemon_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/daemontest"
	"vchat/daemon/metrics"
	"vchat/daemon/metrics/metricstest"
)

// page reads and parses a page of metrics.
func page(t *testing.T, c *http.Client, url string) metricstest.Page {
	t.Helper()
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != api.MetricsType {
		t.Fatalf("%s: %s, %v: %s", url, r.Status, err, text)
	}
	p, err := metricstest.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestMetrics(t *testing.T) {
	if api.MetricsType != metrics.ContentType {
		t.Errorf("got content type %q on the control socket and %q on the network, want the same",
			api.MetricsType, metrics.ContentType)
	}
	alice, bob := two(t)
	address, err := daemontest.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	alice.Config.Metrics = address
	start(bob, alice)
	call(t, alice, bob)
	open(t, alice, "bob")
	alice.Wait("stats of all kinds", func(s api.Status) bool {
		c := s.Calls[0]
		return c.Link.RTTMS > 0 && c.Sending != nil && c.Sending.Received != nil &&
			c.Receiving.LatencyMS.P99 > 0 && len(s.Viewers) == 1
	})
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	p := page(t, c, "http://"+address+"/metrics")
	for name, least := range map[string]float64{
		`vchat_build_info{version="` + api.Version + `"}`:              1,
		`vchat_camera_state{state="streaming"}`:                        1,
		`vchat_camera_frames_total`:                                    1,
		`vchat_link_up{peer="bob"}`:                                    1,
		`vchat_link_rtt_seconds{peer="bob"}`:                           1e-6,
		`vchat_link_sent_bytes_total{peer="bob"}`:                      1000,
		`vchat_link_received_bytes_total{peer="bob"}`:                  1000,
		`vchat_call_state{peer="bob",state="active"}`:                  1,
		`vchat_sending_frames_total{peer="bob"}`:                       1,
		`vchat_sending_dropped_total{peer="bob",reason="link"}`:        0,
		`vchat_sending_delay_seconds{peer="bob",percentile="99"}`:      0,
		`vchat_receiving_frames_total{peer="bob"}`:                     1,
		`vchat_receiving_age_seconds{peer="bob"}`:                      1e-6,
		`vchat_receiving_delay_seconds{peer="bob",percentile="99"}`:    1e-6,
		`vchat_receiving_transfer_seconds{peer="bob",percentile="50"}`: 0,
		`vchat_viewer_frames_per_second{feed="bob",viewer="1"}`:        0,
		`process_resident_memory_bytes`:                                1 << 20,
	} {
		if s, ok := p.Samples[name]; !ok || s.Value < least {
			t.Errorf("%s: got %v (present: %v), want at least %v", name, s.Value, ok, least)
		}
	}
	// The control socket serves the same metrics.
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", alice.Config.Control.Socket)
	}
	local := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial}}
	q := page(t, local, "http://vchat"+api.PathMetrics)
	for name := range p.Types {
		if q.Types[name] != p.Types[name] {
			t.Errorf("%s: got type %q on the control socket, want %q as on the network",
				name, q.Types[name], p.Types[name])
		}
	}
}

func TestPublishStats(t *testing.T) {
	alice, bob := two(t)
	start(bob, alice)
	call(t, alice, bob)
	events := listen(t, alice)
	for {
		e, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		if e.Event != api.EventStats {
			continue
		}
		if e.Peer != "bob" || e.Call == nil {
			t.Fatalf("got event %+v, want a call with bob", e)
		}
		// The first ones may precede the first heartbeat.
		if c := e.Call; c.Sending != nil && c.Sending.Frames > 0 && c.Receiving.Frames > 0 && c.Link.RTTMS > 0 {
			return
		}
	}
}

func TestMetrics_addressTakenAndChanged(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	alice := daemontest.New(t, "alice")
	alice.Config.Metrics = taken.Addr().String()
	alice.Start()
	if s := alice.Status(); s.Name != "alice" {
		t.Errorf("got status of %q, want alice", s.Name)
	}
	free, err := daemontest.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	alice.Reload(func(c *config.Config) error {
		c.Metrics = free
		return nil
	})
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	alice.Wait("metrics at the new address", func(api.Status) bool {
		r, err := c.Get("http://" + free + "/metrics")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	if strings.Contains(alice.Log(), "key=metrics") {
		t.Error("got a warning about the key metrics, want none")
	}
}
