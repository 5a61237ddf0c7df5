package discovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"
)

const (
	port        = 5353
	maxReads    = 1000 // packets a second that are read from a socket; the kernel drops the rest
	readBurst   = 200
	sendTimeout = time.Second
)

var (
	group4 = &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: port}
	group6 = &net.UDPAddr{IP: net.ParseIP("ff02::fb"), Port: port}
)

// arrival is a packet that has arrived.
type arrival struct {
	index int // of the interface
	from  netip.AddrPort
	bytes []byte
}

// sockets are those for mDNS, one for each family that this device has.
type sockets struct {
	v4 *ipv4.PacketConn // nil: none
	v6 *ipv6.PacketConn // nil: none
}

// openSockets opens port 5353 beside other programs that have it open, too.
func openSockets() (*sockets, error) {
	share := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		return errors.Join(c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		}), err)
	}}
	var s sockets
	// At the group's address, so that it takes no answers to other programs.
	c4, err4 := share.ListenPacket(context.Background(), "udp4", group4.String())
	if err4 == nil {
		s.v4 = ipv4.NewPacketConn(c4)
		err4 = errors.Join(s.v4.SetControlMessage(ipv4.FlagInterface|ipv4.FlagDst, true),
			s.v4.SetMulticastTTL(255), s.v4.SetMulticastLoopback(true))
	}
	c6, err6 := share.ListenPacket(context.Background(), "udp6", fmt.Sprintf("[::]:%d", port))
	if err6 == nil {
		s.v6 = ipv6.NewPacketConn(c6)
		err6 = errors.Join(s.v6.SetControlMessage(ipv6.FlagInterface|ipv6.FlagDst, true),
			s.v6.SetMulticastHopLimit(255), s.v6.SetMulticastLoopback(true))
	}
	if err4 != nil && err6 != nil {
		s.close()
		return nil, fmt.Errorf("open mDNS port: %w", err4)
	}
	return &s, nil
}

func (s *sockets) close() {
	if s.v4 != nil {
		_ = s.v4.Close()
	}
	if s.v6 != nil {
		_ = s.v6.Close()
	}
}

// join joins the groups on an interface. An error means that they are joined
// already, or that the interface has no address of the family.
func (s *sockets) join(i netInterface) {
	x := &net.Interface{Index: i.index, Name: i.name}
	if s.v4 != nil {
		_ = s.v4.JoinGroup(x, group4)
	}
	if s.v6 != nil {
		_ = s.v6.JoinGroup(x, group6)
	}
}

// send sends a packet in both families. It ignores errors: an interface may
// lack one of them, or be going down.
func (s *sockets) send(p packet) {
	if s.v4 != nil {
		_ = s.v4.SetWriteDeadline(time.Now().Add(sendTimeout))
		_, _ = s.v4.WriteTo(p.bytes, &ipv4.ControlMessage{IfIndex: p.index}, group4)
	}
	if s.v6 != nil {
		_ = s.v6.SetWriteDeadline(time.Now().Add(sendTimeout))
		_, _ = s.v6.WriteTo(p.bytes, &ipv6.ControlMessage{IfIndex: p.index}, group6)
	}
}

// read4 and read6 return a packet that was sent to the group, which no router
// forwards; others have index 0.

func (s *sockets) read4(b []byte) (n, index int, from net.Addr, err error) {
	n, c, from, err := s.v4.ReadFrom(b)
	if err == nil && c != nil && c.Dst.Equal(group4.IP) {
		index = c.IfIndex
	}
	return n, index, from, err
}

func (s *sockets) read6(b []byte) (n, index int, from net.Addr, err error) {
	n, c, from, err := s.v6.ReadFrom(b)
	if err == nil && c != nil && c.Dst.Equal(group6.IP) {
		index = c.IfIndex
	}
	return n, index, from, err
}

// receive passes packets on until the sockets are closed.
func (s *sockets) receive(ctx context.Context, to chan<- arrival) {
	var readers sync.WaitGroup
	read := func(from func([]byte) (int, int, net.Addr, error)) {
		limiter, b := rate.NewLimiter(maxReads, readBurst), make([]byte, maxPacket)
		for {
			n, index, addr, err := from(b)
			switch {
			case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
				return
			case limiter.Wait(ctx) != nil: // a pause after errors, too
				return
			}
			udp, ok := addr.(*net.UDPAddr)
			if err != nil || !ok || index == 0 {
				continue
			}
			a := arrival{index, udp.AddrPort(), append([]byte(nil), b[:n]...)}
			select {
			case to <- a:
			case <-ctx.Done():
				return
			}
		}
	}
	if s.v4 != nil {
		readers.Go(func() { read(s.read4) })
	}
	if s.v6 != nil {
		readers.Go(func() { read(s.read6) })
	}
	readers.Wait()
}

// mdns is a running responder of our own.
type mdns struct {
	responder  *responder
	sockets    *sockets
	interfaces func() ([]netInterface, error)
	changed    <-chan struct{} // the interfaces have changed
	log        *slog.Logger
}

// run serves until ctx ends.
func (m *mdns) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	arrivals := make(chan arrival)
	var work sync.WaitGroup
	work.Go(func() { m.sockets.receive(ctx, arrivals) })
	defer work.Wait()
	defer m.sockets.close()
	defer cancel()
	m.setInterfaces()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Stop()
		if at := m.responder.due(); !at.IsZero() {
			timer.Reset(max(time.Until(at), time.Millisecond))
		}
		select {
		case a := <-arrivals:
			m.responder.onPacket(time.Now(), a.index, a.from, a.bytes)
			continue // what it wants has a time of its own
		case <-m.changed:
			m.setInterfaces()
		case <-timer.C:
		case <-ctx.Done():
			for _, p := range m.responder.goodbye() {
				m.sockets.send(p)
			}
			return
		}
		for _, p := range m.responder.run(time.Now()) {
			m.sockets.send(p)
		}
	}
}

func (m *mdns) setInterfaces() {
	all, err := m.interfaces()
	if err != nil {
		m.log.Debug("network interfaces not listed", "err", err)
		return
	}
	for _, i := range all {
		m.sockets.join(i)
	}
	m.responder.setInterfaces(time.Now(), all)
}
