package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"golang.org/x/time/rate"

	"vchat/daemon/resolve"
)

// listenRetry is the longest pause between two tries to listen on an address
// that does not exist yet. A change of the network ends it.
const listenRetry = 5 * time.Second

// Listen opens the port for peers, such as ":7450". It is called before Run, so
// that a port in use is reported at once. If this device does not have the
// address yet, Listen returns nil: Run tries again, and ListenError has the
// reason.
func (ls *Links) Listen(address string) error {
	l, err := ls.listen(address)
	switch {
	case err == nil:
		ls.ListenOn(l)
	case isLate(err):
		ls.cfg.Log.Warn("not listening for peers yet", "err", err)
		ls.mu.Lock()
		defer ls.mu.Unlock()
		ls.lateAddress, ls.listenErr = address, err
	default:
		return err
	}
	return nil
}

func (ls *Links) listen(address string) (l net.Listener, err error) {
	if host, _, splitErr := net.SplitHostPort(address); splitErr == nil {
		err = resolve.CheckZone(host)
	}
	if err == nil {
		l, err = ls.cfg.Listen("tcp", address)
	}
	if err != nil {
		return nil, fmt.Errorf("listen for peers on %s: %w", address, err)
	}
	return l, nil
}

// isLate reports whether an error of listen can mean that the network is not
// ready: the address, its interface or the name server is missing.
func isLate(err error) bool {
	var dns *net.DNSError
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, resolve.ErrNoInterface) || errors.As(err, &dns)
}

// ListenOn accepts peers on an open listener. Run closes it.
func (ls *Links) ListenOn(l net.Listener) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.listener, ls.listenErr = l, nil
}

// Addr returns the address of the listener, or nil.
func (ls *Links) Addr() net.Addr {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.listener == nil {
		return nil
	}
	return ls.listener.Addr()
}

// ListenError returns why there is no listener yet, or nil.
func (ls *Links) ListenError() error {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.listenErr
}

// awaitListener returns the listener as soon as there is one; nil if there is
// to be none, or ctx ends. Errors are those that waiting does not correct.
func (ls *Links) awaitListener(ctx context.Context) (net.Listener, error) {
	ls.mu.Lock()
	l, address, before := ls.listener, ls.lateAddress, ls.listenErr
	ls.mu.Unlock()
	if l != nil || address == "" {
		return l, nil
	}
	pause := newBackoff(500*time.Millisecond, listenRetry)
	log := rate.Sometimes{First: 4, Interval: time.Hour}
	for {
		select {
		case <-time.After(pause.next()):
		case <-ls.networkChanged:
		case <-ctx.Done():
			return nil, nil
		}
		l, err := ls.listen(address)
		if err == nil {
			ls.ListenOn(l)
			ls.cfg.Log.Info("listening for peers", "addr", l.Addr())
			if ls.cfg.Listening != nil {
				ls.cfg.Listening()
			}
			return l, nil
		}
		// A program that has taken the port may end.
		if !isLate(err) && !errors.Is(err, syscall.EADDRINUSE) {
			return nil, err
		}
		if isLate(err) != isLate(before) { // another cause
			log.Do(func() { ls.cfg.Log.Warn("not listening for peers yet", "err", err) })
		}
		before = err
		ls.mu.Lock()
		ls.listenErr = err
		ls.mu.Unlock()
	}
}
