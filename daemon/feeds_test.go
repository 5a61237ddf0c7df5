package daemon_test

import (
	"io"
	"net/http"
	"testing"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/daemontest"
)

func TestFeeds(t *testing.T) {
	alice, _ := two(t)
	alice.Start()
	add := func() (api.NewReader, error) {
		return alice.Client.AddReader(ctx(t), api.ReaderRequest{Name: "obs"})
	}
	if _, err := add(); err == nil {
		t.Error("without feeds: got a token, want an error")
	}
	address, err := daemontest.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	alice.Reload(func(c *config.Config) error { c.Feeds = address; return nil })
	r, err := add()
	if err != nil {
		t.Fatal(err)
	}
	if want := "http://" + address + "/self.mjpeg?token=" + r.Token; r.URL != want || r.Token == "" {
		t.Errorf("got URL %s, want %s", r.URL, want)
	}
	get := func() *http.Response {
		req, err := http.NewRequestWithContext(ctx(t), "GET", r.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	alice.Wait("closed camera", func(s api.Status) bool { return s.Camera.State == api.CameraIdle })
	res := get()
	if _, err := io.ReadFull(res.Body, make([]byte, 4096)); err != nil {
		t.Fatal(err)
	}
	alice.Wait("reader", func(s api.Status) bool {
		return s.Camera.State == api.CameraStreaming && len(s.Viewers) == 1 && s.Viewers[0].Reader == "obs" &&
			s.Feeds != nil && s.Feeds.Address == address && len(s.Feeds.Readers) == 1 && s.Feeds.Readers[0].Viewers == 1
	})
	res.Body.Close()
	alice.Wait("closed camera", func(s api.Status) bool {
		return s.Camera.State == api.CameraIdle && len(s.Viewers) == 0
	})
	if _, err := alice.Client.RemoveReader(ctx(t), "obs"); err != nil {
		t.Fatal(err)
	}
	res = get()
	res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("after the removal: got %s, want 401", res.Status)
	}
	alice.Reload(func(c *config.Config) error { c.Feeds = ""; return nil })
	alice.Wait("end of the feeds", func(s api.Status) bool { return s.Feeds == nil })
	http.DefaultClient.CloseIdleConnections()
}
