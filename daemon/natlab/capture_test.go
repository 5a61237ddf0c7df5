package natlab

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// way is from where to where packets went.
type way struct{ from, to netip.Addr }

// capture reads the packets that a namespace receives on all its devices: in
// the internet, each packet once.
type capture struct {
	file   *os.File
	done   chan struct{}
	mu     sync.Mutex
	ways   map[way]int
	search [][]byte
	found  map[string]int // what was searched for, by how often it was seen
	bytes  int
}

// newCapture searches the packets for byte strings.
func newCapture(n *namespace, search ...[]byte) (*capture, error) {
	c := &capture{done: make(chan struct{}), ways: map[way]int{}, search: search, found: map[string]int{}}
	err := n.do(func() error {
		ip := uint16(unix.ETH_P_IP)
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(ip<<8|ip>>8))
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1<<20)
		c.file = os.NewFile(uintptr(fd), "packets")
		return nil
	})
	if err != nil {
		return nil, err
	}
	go c.read()
	return c, nil
}

func (c *capture) read() {
	defer close(c.done)
	b := make([]byte, 1<<17)
	for {
		n, err := c.file.Read(b)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil || n < 20 {
			continue
		}
		c.packet(b[:n])
	}
}

func (c *capture) packet(p []byte) {
	from, _ := netip.AddrFromSlice(p[12:16])
	to, _ := netip.AddrFromSlice(p[16:20])
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ways[way{from, to}]++
	c.bytes += len(p)
	for _, s := range c.search {
		if bytes.Contains(p, s) {
			c.found[string(s)]++
		}
	}
}

// packets returns how many packets went between two addresses, both ways.
func (c *capture) packets(a, b string) int {
	x, y := netip.MustParseAddr(a), netip.MustParseAddr(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ways[way{x, y}] + c.ways[way{y, x}]
}

// times returns how often a string was seen.
func (c *capture) times(s []byte) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.found[string(s)]
}

func (c *capture) close() {
	c.file.Close()
	<-c.done
}
