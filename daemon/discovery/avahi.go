package discovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"vchat/daemon/identity"
)

const (
	avahiName     = "org.freedesktop.Avahi"
	avahiServer   = avahiName + ".Server"
	avahiGroup    = avahiName + ".EntryGroup"
	avahiBrowser  = avahiName + ".ServiceBrowser"
	avahiResolver = avahiName + ".ServiceResolver"

	avahiAny = int32(-1) // every interface, every protocol

	// AvahiServerState.
	avahiRunning = 2
	// AvahiEntryGroupState.
	avahiCollision = 3
	avahiFailure   = 4

	maxResolvers = 2 * maxUnknown // each is an object in Avahi
	maxMatching  = 16             // of them for names that end like the id of one peer
)

// caller calls a method of an object on the bus.
type caller interface {
	call(ctx context.Context, dest string, path dbus.ObjectPath, method string, args ...any) ([]any, error)
}

// avahi is a session with one run of avahi-daemon. It is not safe for
// concurrent use. Its signals come in the order that Avahi sends them:
//
//	Server.StateChanged ──▶ register: EntryGroup, AddService, Commit
//	EntryGroup.StateChanged: collision ──▶ register with another name
//	ServiceBrowser.ItemNew ──▶ ServiceResolver ── Found ──▶ table
//	ServiceBrowser.ItemRemove ──▶ the resolver and its announcement go
type avahi struct {
	bus        caller
	owner      string // unique name on the bus: a call to it starts nothing
	own        Own
	table      *table
	log        *slog.Logger
	interfaces func(index int) (netInterface, error)

	group     dbus.ObjectPath // "": none
	committed bool
	attempt   int
	browser   dbus.ObjectPath
	resolvers map[string]dbus.ObjectPath // by source key
	keys      map[dbus.ObjectPath]string
	failed    bool // a failure was logged
}

// start announces this device and browses for others.
func (a *avahi) start(ctx context.Context) error {
	a.attempt, a.resolvers, a.keys = 1, map[string]dbus.ObjectPath{}, map[dbus.ObjectPath]string{}
	if state, err := one[int32](a.bus.call(ctx, a.owner, "/", avahiServer+".GetState")); err != nil {
		return err
	} else if state == avahiRunning {
		a.register(ctx)
	}
	path, err := one[dbus.ObjectPath](a.bus.call(ctx, a.owner, "/", avahiServer+".ServiceBrowserNew",
		avahiAny, avahiAny, ServiceType, "", uint32(0)))
	a.browser = path
	return err
}

// one returns the only value of a reply.
func one[T any](reply []any, err error) (v T, _ error) {
	if err != nil {
		return v, err
	}
	if len(reply) != 1 {
		return v, fmt.Errorf("reply of %d values, want 1", len(reply))
	}
	v, ok := reply[0].(T)
	if !ok {
		return v, fmt.Errorf("reply of type %T, want %T", reply[0], v)
	}
	return v, nil
}

// register announces this device. It does not fail: a device that may not
// announce itself still sees others.
func (a *avahi) register(ctx context.Context) {
	if a.own.Port == 0 {
		return
	}
	err := a.tryRegister(ctx)
	for errors.Is(err, errCollision) && a.attempt < maxRenames { // with a service of this host
		a.attempt++
		err = a.tryRegister(ctx)
	}
	if err != nil {
		a.fail(err)
	}
}

var errCollision = errors.New("service name is taken")

func (a *avahi) tryRegister(ctx context.Context) error {
	if a.group == "" {
		group, err := one[dbus.ObjectPath](a.bus.call(ctx, a.owner, "/", avahiServer+".EntryGroupNew"))
		if err != nil {
			return err
		}
		a.group = group
	}
	a.unregister(ctx)
	var txt [][]byte
	for _, s := range a.own.txt() {
		txt = append(txt, []byte(s))
	}
	_, err := a.bus.call(ctx, a.owner, a.group, avahiGroup+".AddService", a.index(), avahiAny, uint32(0),
		a.own.instance(a.attempt), ServiceType, "", "", a.own.Port, txt)
	if e, ok := errors.AsType[dbus.Error](err); ok && e.Name == avahiName+".CollisionError" {
		return errCollision
	}
	if err != nil {
		return err
	}
	if _, err = a.bus.call(ctx, a.owner, a.group, avahiGroup+".Commit"); err != nil {
		return err
	}
	a.committed = true
	return nil
}

// index returns the interface to announce this device on.
func (a *avahi) index() int32 {
	if !a.own.Only.IsValid() {
		return avahiAny
	}
	all, _ := usable(false)
	for _, i := range all {
		if slices.ContainsFunc(i.prefixes, func(p netip.Prefix) bool { return p.Addr().WithZone("") == a.own.Only }) {
			return int32(i.index)
		}
	}
	return avahiAny
}

// unregister takes the announcement back: the host name has changed, or the
// service needs another name.
func (a *avahi) unregister(ctx context.Context) {
	if a.committed {
		a.committed = false
		_, _ = a.bus.call(ctx, a.owner, a.group, avahiGroup+".Reset")
	}
}

// fail logs why Avahi does not announce this device, once.
func (a *avahi) fail(err error) {
	if !a.failed {
		a.log.Warn("device not announced by Avahi", "err", err)
	}
	a.failed = true
}

// stop takes everything back. Avahi also does that when the connection ends.
func (a *avahi) stop(ctx context.Context) {
	if a.group != "" {
		_, _ = a.bus.call(ctx, a.owner, a.group, avahiGroup+".Free")
	}
	for path := range a.keys {
		_, _ = a.bus.call(ctx, a.owner, path, avahiResolver+".Free")
	}
	if a.browser != "" {
		_, _ = a.bus.call(ctx, a.owner, a.browser, avahiBrowser+".Free")
	}
	a.table.clear()
}

// onSignal handles a signal of Avahi. An error means that this session is of no
// more use.
func (a *avahi) onSignal(ctx context.Context, s *dbus.Signal) error {
	switch s.Name {
	case avahiServer + ".StateChanged":
		if state, ok := stateOf(s.Body); ok && state == avahiRunning {
			a.register(ctx)
		} else if ok {
			a.unregister(ctx)
		}
	case avahiGroup + ".StateChanged":
		a.onGroupState(ctx, s)
	case avahiBrowser + ".ItemNew":
		if i, ok := itemOf(s.Body); ok && s.Path == a.browser {
			a.resolve(ctx, i)
		}
	case avahiBrowser + ".ItemRemove":
		if i, ok := itemOf(s.Body); ok && s.Path == a.browser {
			a.forget(ctx, i.key())
		}
	case avahiBrowser + ".Failure":
		if s.Path == a.browser {
			return fmt.Errorf("browse for services: %s", errorOf(s.Body))
		}
	case avahiResolver + ".Found":
		if key, ok := a.keys[s.Path]; ok {
			a.onFound(key, s.Body)
		}
	case avahiResolver + ".Failure":
		if key, ok := a.keys[s.Path]; ok { // a new item comes when it is back
			a.forget(ctx, key)
		}
	}
	return nil
}

func (a *avahi) onGroupState(ctx context.Context, s *dbus.Signal) {
	state, ok := stateOf(s.Body)
	switch {
	case !ok || s.Path != a.group || !a.committed:
	case state == avahiCollision && a.attempt < maxRenames:
		a.attempt++
		a.register(ctx)
	case state == avahiCollision:
		a.fail(errCollision)
	case state == avahiFailure:
		a.fail(errors.New(errorOf(s.Body)))
	}
}

// resolve begins to resolve a service. Some places are kept for services whose
// name ends like the id of a peer.
func (a *avahi) resolve(ctx context.Context, i item) {
	key := i.key()
	if _, ok := a.resolvers[key]; ok || a.isFull(i.name) {
		return
	}
	path, err := one[dbus.ObjectPath](a.bus.call(ctx, a.owner, "/", avahiServer+".ServiceResolverNew",
		i.index, i.protocol, i.name, i.kind, i.domain, i.protocol, uint32(0)))
	if err != nil {
		a.log.Debug("service not resolved", "name", i.name, "err", err)
		return
	}
	a.resolvers[key], a.keys[path] = path, key
}

// isFull reports whether there is no place for a service of this name.
func (a *avahi) isFull(name string) bool {
	suffix := ""
	a.table.isKnown(func(id identity.ID) bool {
		if strings.Contains(name, "-"+group(id)) {
			suffix = "-" + group(id)
		}
		return suffix != ""
	})
	if suffix == "" {
		return len(a.resolvers) >= maxResolvers
	}
	matching := 0
	for key := range a.resolvers {
		if strings.Contains(key, suffix) {
			matching++
		}
	}
	return matching >= maxMatching
}

func (a *avahi) forget(ctx context.Context, key string) {
	if path, ok := a.resolvers[key]; ok {
		delete(a.resolvers, key)
		delete(a.keys, path)
		_, _ = a.bus.call(ctx, a.owner, path, avahiResolver+".Free")
	}
	a.table.remove(key)
}

func (a *avahi) onFound(key string, body []any) {
	index, who, s, err := parseFound(body)
	if err != nil {
		a.log.Debug("service ignored", "err", err)
		return
	}
	i, err := a.interfaces(index)
	if err != nil {
		return
	}
	address, ok := i.accept(s.addresses[0])
	if !ok {
		return
	}
	s.key, s.addresses[0] = key, address
	a.table.put(time.Now(), who, s)
}

// item is a service that the browser has found.
type item struct {
	index, protocol    int32
	name, kind, domain string
}

func (i item) key() string {
	return fmt.Sprintf("%d/%d/%s.%s.%s", i.index, i.protocol, i.name, i.kind, i.domain)
}

const maxAvahiText = 256 // a domain name has at most 255 bytes

// itemOf reads the body of ItemNew and ItemRemove: "iisssu".
func itemOf(body []any) (i item, ok bool) {
	if len(body) != 6 {
		return i, false
	}
	var ok1, ok2, ok3, ok4, ok5 bool
	i.index, ok1 = body[0].(int32)
	i.protocol, ok2 = body[1].(int32)
	i.name, ok3 = body[2].(string)
	i.kind, ok4 = body[3].(string)
	i.domain, ok5 = body[4].(string)
	return i, ok1 && ok2 && ok3 && ok4 && ok5 && i.kind == ServiceType &&
		len(i.name) < maxAvahiText && len(i.domain) < maxAvahiText
}

// parseFound reads the body of Found: "iissssisqaayu". The source has one
// address.
func parseFound(body []any) (index int, a announced, s source, err error) {
	if len(body) != 11 {
		return 0, a, s, fmt.Errorf("service of %d values, want 11", len(body))
	}
	i, ok1 := body[0].(int32)
	host, ok2 := body[5].(string)
	address, ok3 := body[7].(string)
	port, ok4 := body[8].(uint16)
	txt, ok5 := body[9].([][]byte)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || len(host) >= maxAvahiText || len(address) >= maxAvahiText {
		return 0, a, s, errors.New("service with values of other types")
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return 0, a, s, err
	}
	a, err = parseTXT(txt)
	return int(i), a, source{host: host, port: port, addresses: []netip.Addr{ip}}, err
}

// stateOf reads the body of StateChanged: "is".
func stateOf(body []any) (int32, bool) {
	if len(body) == 0 {
		return 0, false
	}
	state, ok := body[0].(int32)
	return state, ok
}

// errorOf returns the last text of a body.
func errorOf(body []any) string {
	if len(body) > 0 {
		if text, ok := body[len(body)-1].(string); ok && len(text) < maxAvahiText {
			return text
		}
	}
	return "unknown error"
}

// interfaceByIndex is the interfaces of avahi for the system.
func interfaceByIndex(index int) (netInterface, error) {
	i, err := net.InterfaceByIndex(index)
	if err != nil {
		return netInterface{}, err
	}
	return describe(*i), nil
}
