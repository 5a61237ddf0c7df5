package discovery

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	busName     = "org.freedesktop.DBus"
	busTimeout  = 3 * time.Second // for one call
	signalQueue = 256
	noOwner     = busName + ".Error.NameHasNoOwner"
)

// bus is a connection to the message bus.
type bus struct {
	conn    *dbus.Conn
	signals *signals
}

// signals queues the signals of the bus and of Avahi. Any program may send
// signals; those of others are dropped here.
type signals struct {
	queue chan *dbus.Signal
	owner atomic.Pointer[string] // of Avahi's name
	lost  atomic.Bool            // the queue was full
}

// DeliverSignal implements dbus.SignalHandler. It is called by the reader of
// the connection and must not wait.
func (s *signals) DeliverSignal(_, _ string, signal *dbus.Signal) {
	if owner := s.owner.Load(); signal.Sender != busName && (owner == nil || signal.Sender != *owner) {
		return
	}
	select {
	case s.queue <- signal:
	default:
		s.lost.Store(true)
	}
}

// dialBus connects to the system's message bus and asks for changes of the
// owner of Avahi's name. The connection ends with ctx.
func dialBus(ctx context.Context, address string) (*bus, error) {
	ctx, cancel := context.WithCancel(ctx)
	giveUp := time.AfterFunc(busTimeout, cancel)
	s := &signals{queue: make(chan *dbus.Signal, signalQueue)}
	options := []dbus.ConnOption{dbus.WithContext(ctx), dbus.WithSignalHandler(s)}
	var conn *dbus.Conn
	var err error
	if address == "" {
		conn, err = dbus.ConnectSystemBus(options...)
	} else {
		conn, err = dbus.Connect(address, options...)
	}
	if err != nil || !giveUp.Stop() {
		cancel()
		return nil, fmt.Errorf("connect to the message bus: %w", err)
	}
	context.AfterFunc(conn.Context(), cancel)
	b := &bus{conn, s}
	for _, rule := range []string{
		"type='signal',sender='" + busName + "',member='NameOwnerChanged',arg0='" + avahiName + "'",
		"type='signal',sender='" + avahiName + "',interface='" + avahiServer + "'",
	} {
		if _, err := b.call(ctx, busName, "/org/freedesktop/DBus", busName+".AddMatch", rule); err != nil {
			b.close()
			return nil, fmt.Errorf("watch the message bus: %w", err)
		}
	}
	return b, nil
}

func (b *bus) close() { _ = b.conn.Close() }

// done is closed when the connection has ended.
func (b *bus) done() <-chan struct{} { return b.conn.Context().Done() }

// avahi returns the unique name of Avahi; "" if it does not run. It does not
// start it.
func (b *bus) avahi(ctx context.Context) (string, error) {
	owner, err := one[string](b.call(ctx, busName, "/org/freedesktop/DBus", busName+".GetNameOwner", avahiName))
	if e, ok := err.(dbus.Error); ok && e.Name == noOwner {
		return "", nil
	}
	return owner, err
}

func (b *bus) call(ctx context.Context, dest string, path dbus.ObjectPath, method string, args ...any) ([]any, error) {
	ctx, cancel := context.WithTimeout(ctx, busTimeout)
	defer cancel()
	c := b.conn.Object(dest, path).CallWithContext(ctx, method, dbus.FlagNoAutoStart, args...)
	return c.Body, c.Err
}

// isOwnerChange reports whether a signal says who owns Avahi's name now.
func isOwnerChange(s *dbus.Signal) bool {
	if s.Sender != busName || s.Name != busName+".NameOwnerChanged" || len(s.Body) != 3 {
		return false
	}
	name, ok := s.Body[0].(string)
	return ok && name == avahiName
}
