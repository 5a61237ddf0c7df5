package controltest

import (
	"fmt"
	"slices"
	"time"

	"vchat/daemon/api"
)

// AddReader implements control.Backend. The token is always the same.
func (d *Device) AddReader(r api.ReaderRequest) (api.NewReader, error) {
	d.record("add reader %s", r.Name)
	d.mu.Lock()
	defer d.mu.Unlock()
	reader := api.Reader{Name: r.Name, Added: time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)}
	if slices.ContainsFunc(d.readers, func(x api.Reader) bool { return x.Name == r.Name }) {
		return api.NewReader{}, &api.Error{Kind: api.Conflict, Message: fmt.Sprintf("there is a reader %s already",
			r.Name)}
	}
	d.readers = append(d.readers, reader)
	return api.NewReader{Reader: reader, Token: "secret", URL: "http://127.0.0.1:7452/self.mjpeg?token=secret"}, nil
}

// RemoveReader implements control.Backend.
func (d *Device) RemoveReader(name string) (api.Reader, error) {
	d.record("remove reader %s", name)
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, r := range d.readers {
		if r.Name == name {
			d.readers = slices.Delete(d.readers, i, i+1)
			return r, nil
		}
	}
	return api.Reader{}, &api.Error{Kind: api.NoSuchReader, Message: fmt.Sprintf("no reader named %q", name)}
}

// Readers implements control.Backend.
func (d *Device) Readers() []api.Reader {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]api.Reader{}, d.readers...)
}
