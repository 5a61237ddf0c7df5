package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"vchat/daemon/api"
)

const (
	maxProbes = 8                       // at once
	clockWait = 1500 * time.Millisecond // for the first heartbeats of a new link
)

// checkPeers tries to reach each peer once, through the daemon.
func (f *facts) checkPeers(ctx context.Context) []Finding {
	switch {
	case !f.running():
		return nil
	case len(f.status.Peers) == 0:
		return []Finding{{Level: Note, Subject: "peer", Message: "none is known yet",
			Hint: "vchatctl pair --wait on one device, vchatctl pair ADDRESS on the other"}}
	}
	peers := slices.Clone(f.status.Peers) // other checks read them
	probes, errs := make([]api.Probe, len(peers)), make([]error, len(peers))
	turn := make(chan struct{}, maxProbes)
	var wg sync.WaitGroup
	for i, p := range peers {
		wg.Go(func() {
			select {
			case turn <- struct{}{}:
				defer func() { <-turn }()
				probes[i], errs[i] = f.daemon.Probe(ctx, p.Name)
			case <-ctx.Done():
				errs[i] = ctx.Err()
			}
		})
	}
	wg.Wait()
	if slices.ContainsFunc(probes, func(p api.Probe) bool { return p.Remote != "" && p.Link == api.LinkDown }) {
		select {
		case <-time.After(clockWait):
		case <-ctx.Done():
		}
	}
	if now, err := f.daemon.Peers(ctx); err == nil {
		for i := range peers {
			if j := slices.IndexFunc(now, func(p api.Peer) bool { return p.Name == peers[i].Name }); j >= 0 {
				peers[i].Link = now[j].Link
			}
		}
	}
	var found []Finding
	for i, p := range peers {
		found = append(found, peerFinding(p, probes[i], errs[i]))
	}
	return found
}

// peerFinding returns what is known of one peer.
func peerFinding(p api.Peer, probe api.Probe, err error) Finding {
	x := Finding{Level: OK, Subject: "peer", Name: p.Name}
	var refused *api.Error
	switch {
	case errors.As(err, &refused) && refused.Kind == api.NotPermitted:
		// Without the right, what the daemon knows by itself must do.
		probe = api.Probe{Link: p.Link.State, Reason: p.Link.Reason}
		if p.Link.State != api.LinkUp {
			probe.Failed = api.ProbeHello
		}
	case err != nil:
		x.Level, x.Message = Skipped, "not tried: "+err.Error()
		return x
	}
	if probe.Failed == "" {
		x.Message = reached(p, probe)
		if p.Link.Path == api.PathRelay {
			x.Level, x.Message, x.Hint = Note, relayed(p, x.Message), relayHint
		}
		return x
	}
	x.Level, x.Message, x.Hint = Problem, unreachable(probe), probe.Hint
	if x.Hint == "" {
		x.Hint = stepHint(probe)
	}
	if probe.Failed == api.ProbeAddress {
		x.Level = Note
	}
	return x
}

// reached describes a peer that answers.
func reached(p api.Peer, probe api.Probe) string {
	parts := []string{"reachable"}
	switch host, _, err := net.SplitHostPort(probe.Remote); {
	case p.Link.State == api.LinkUp && p.Link.Path == api.PathRelay: // either side has dialled
		parts[0] += " via relay " + p.Link.Relay
	case probe.Remote == "":
	case probe.Incoming && err == nil: // its port is the one of this connection
		parts[0] = "connected from " + host
	default:
		parts[0] += " at " + probe.Remote
	}
	if probe.Software != "" {
		parts = append(parts, probe.Software)
	}
	if probe.Protocol > 0 {
		parts = append(parts, fmt.Sprintf("protocol %d", probe.Protocol))
	}
	if l := p.Link; l.State == api.LinkUp && l.RTTMinMS > 0 {
		parts = append(parts, fmt.Sprintf("round trip %.1f ms", l.RTTMS),
			fmt.Sprintf("clock offset %.1f ± %.1f ms", noMinusZero(l.ClockOffsetMS), l.RTTMinMS/2))
	}
	return strings.Join(parts, ", ")
}

// noMinusZero returns v, or 0 if v is shown as -0.0.
func noMinusZero(v float64) float64 {
	if v > -0.05 && v < 0 {
		return 0
	}
	return v
}

const relayHint = "nothing to do if both are behind NAT; a direct link, if one becomes possible, is used by itself"

// relayed says why the only way to a peer is a relay.
func relayed(p api.Peer, message string) string {
	why := "no address of it is known"
	if p.Link.DirectReason != "" {
		why = p.Link.DirectReason
	}
	return fmt.Sprintf("%s: no route to each other except the relay: %s", message, why)
}

// unreachable returns which step has failed, and why.
func unreachable(p api.Probe) string {
	what := map[api.ProbeStep]string{
		api.ProbeResolve:  "its address is not found",
		api.ProbeConnect:  "it cannot be reached",
		api.ProbeTLS:      "something answers there, but not as vchatd does",
		api.ProbeIdentity: "the devices do not accept each other's keys",
		api.ProbeVersion:  "the versions do not fit",
	}[p.Failed]
	if p.Reason == "" {
		p.Reason = "no link"
	}
	if what == "" {
		return p.Reason
	}
	return what + ": " + p.Reason
}

func stepHint(p api.Probe) string {
	switch p.Failed {
	case api.ProbeAddress:
		return "nothing to do if it calls this device; else put its address under peers"
	case api.ProbeResolve:
		if strings.Contains(p.Reason, ".onion") {
			return "install Tor, then: vchatctl peer PEER --proxy socks5://127.0.0.1:9050"
		}
		return "use its IP address, or let avahi-daemon run on both devices for a name in .local"
	case api.ProbeConnect:
		if strings.Contains(p.Reason, "refused") {
			return "start vchatd there, and compare the port with listen in its configuration"
		}
		return "is the device on, is the address right, and does no firewall block the port?"
	case api.ProbeTLS:
		return "is the address right, and does vchatd listen on that port there?"
	case api.ProbeVersion:
		return "install the same version of vchat on both devices"
	}
	return "run vchatctl doctor there, too"
}
