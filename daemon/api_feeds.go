package daemon

import (
	"errors"
	"fmt"
	"net"

	"vchat/daemon/api"
	"vchat/daemon/feeds"
)

// AddReader gives a program a token for the feeds. Errors are *api.Error.
func (d *Daemon) AddReader(r api.ReaderRequest) (api.NewReader, error) {
	d.mu.Lock()
	address := d.cfg.Feeds
	d.mu.Unlock()
	if address == "" {
		return api.NewReader{}, &api.Error{
			Kind: api.Conflict, Message: "feeds for other programs are off",
			Hint: `set feeds: "127.0.0.1:7452" in the configuration file and reload vchatd`,
		}
	}
	added, token, err := d.feeds.Add(r.Name)
	if err != nil {
		return api.NewReader{}, readerError(r.Name, err)
	}
	return api.NewReader{Reader: d.readerView(added), Token: token, URL: feeds.URL(address, api.Self, token)}, nil
}

// RemoveReader takes the token of a program away. Errors are *api.Error.
func (d *Daemon) RemoveReader(name string) (api.Reader, error) {
	removed, err := d.feeds.Remove(name)
	if err != nil {
		return api.Reader{}, readerError(name, err)
	}
	return d.readerView(removed), nil
}

func readerError(name string, err error) error {
	e := &api.Error{Kind: api.Internal, Message: err.Error()}
	switch {
	case errors.Is(err, feeds.ErrName):
		e.Kind = api.BadValue
	case errors.Is(err, feeds.ErrTaken):
		e.Kind, e.Hint = api.Conflict, "for a new token: vchatctl feeds remove "+name
	case errors.Is(err, feeds.ErrFull):
		e.Kind, e.Hint = api.LimitReached, "remove one: vchatctl feeds list"
	case errors.Is(err, feeds.ErrNotFound):
		e.Kind, e.Message, e.Hint = api.NoSuchReader, fmt.Sprintf("no reader named %q", name), "vchatctl feeds list"
	}
	return e
}

// Readers returns the programs with a token, sorted by name.
func (d *Daemon) Readers() []api.Reader {
	all := []api.Reader{}
	for _, r := range d.feeds.Readers() {
		all = append(all, d.readerView(r))
	}
	return all
}

func (d *Daemon) readerView(r feeds.Reader) api.Reader {
	return api.Reader{Name: r.Name, Added: r.Added, Viewers: d.feeds.Reading(r.Name)}
}

// feedsView returns the server of feeds, or nil if it is off. The caller holds
// mu.
func (d *Daemon) feedsView() *api.Feeds {
	if d.cfg.Feeds == "" {
		return nil
	}
	v := &api.Feeds{Address: d.cfg.Feeds, Readers: d.Readers()}
	if err := d.feeds.Err(); err != nil {
		v.Error = err.Error()
	}
	return v
}

func (d *Daemon) feedsProblems(v *api.Feeds) (all []api.Problem) {
	if v != nil && v.Error != "" {
		all = append(all, api.Problem{Subject: "feeds", Message: v.Error,
			Hint: "vchatd retries; or change feeds in the " +
				"configuration file"})
	}
	if p := d.feeds.Problem(); p != "" {
		all = append(all, api.Problem{Subject: "state", Message: p, Hint: "give the programs new tokens: " +
			"vchatctl feeds add NAME"})
	}
	return all
}

// isLoopback reports whether only programs on this device reach an address of
// the form HOST:PORT.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}
