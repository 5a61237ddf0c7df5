package screen

import (
	"slices"

	"vchat/cmd/vchatctl/internal/view/screen/internal/uapi"
)

// maxModePixels bounds the mode, if the monitor has a smaller one of the same
// aspect ratio. The CPU paints every pixel, cameras have fewer, and the monitor
// scales for free.
const maxModePixels = 1920 * 1200

// target is a connector of a card, the CRTC that drives it, and its mode.
type target struct {
	connector uint32
	crtc      uint32
	mode      uapi.ModeInfo
}

// findMonitor returns the first connected monitor of a card that a CRTC can
// drive. The error is errNoMonitor or the kernel's.
func findMonitor(c card) (target, error) {
	res, err := c.resources()
	if err != nil {
		return target{}, err
	}
	var connected []uapi.Connector
	for _, id := range res.Connectors {
		conn, err := c.connector(id)
		if err != nil {
			continue // a connector of a dock can disappear
		}
		if conn.Connection == uapi.Connected && conn.Type != uapi.ConnectorWriteback && len(conn.Modes) > 0 {
			connected = append(connected, conn)
		}
	}
	for i, conn := range connected {
		others := slices.Delete(slices.Clone(connected), i, i+1)
		if crtc, ok := findCRTC(c, res.CRTCs, conn, others); ok {
			return target{conn.ID, crtc, chooseMode(conn.Modes, res)}, nil
		}
	}
	return target{}, errNoMonitor
}

// findCRTC returns a CRTC for a connector: its current one, else a free one,
// else one of another monitor.
func findCRTC(c card, crtcs []uint32, conn uapi.Connector, others []uapi.Connector) (uint32, bool) {
	if current := currentCRTC(c, conn); current != 0 {
		return current, true
	}
	var taken []uint32
	for _, o := range others {
		taken = append(taken, currentCRTC(c, o))
	}
	fallback := uint32(0)
	for _, id := range conn.Encoders {
		enc, err := c.encoder(id)
		if err != nil {
			continue
		}
		for i, crtc := range crtcs {
			switch {
			case enc.PossibleCRTCs&(1<<i) == 0:
			case !slices.Contains(taken, crtc):
				return crtc, true
			case fallback == 0:
				fallback = crtc
			}
		}
	}
	return fallback, fallback != 0
}

// currentCRTC returns the CRTC that drives a connector, or 0.
func currentCRTC(c card, conn uapi.Connector) uint32 {
	if conn.Encoder == 0 {
		return 0
	}
	enc, err := c.encoder(conn.Encoder)
	if err != nil {
		return 0
	}
	return enc.CRTC
}

// chooseMode returns the monitor's preferred mode. If that has more than
// maxModePixels, it returns the largest smaller mode of the same aspect ratio.
// modes must not be empty.
func chooseMode(modes []uapi.ModeInfo, res uapi.Resources) uapi.ModeInfo {
	best := modes[max(0, slices.IndexFunc(modes, func(m uapi.ModeInfo) bool { return m.Type&uapi.TypePreferred != 0 }))]
	if area(best) <= maxModePixels && fits(best, res) {
		return best
	}
	var smaller uapi.ModeInfo
	for _, m := range modes {
		if area(m) > maxModePixels || !fits(m, res) || m.Flags&uapi.FlagInterlace != 0 || !sameAspect(m, best) {
			continue
		}
		faster := m.VRefresh > smaller.VRefresh && m.VRefresh <= best.VRefresh
		if area(m) > area(smaller) || area(m) == area(smaller) && faster {
			smaller = m
		}
	}
	if area(smaller) > 0 {
		return smaller
	}
	return best
}

func area(m uapi.ModeInfo) int { return int(m.HDisplay) * int(m.VDisplay) }

func fits(m uapi.ModeInfo, res uapi.Resources) bool {
	return uint32(m.HDisplay) <= res.MaxWidth && uint32(m.VDisplay) <= res.MaxHeight
}

// sameAspect compares aspect ratios with a tolerance of 1 %: monitors list
// 1366x768 as 16:9.
func sameAspect(a, b uapi.ModeInfo) bool {
	x, y := int(a.HDisplay)*int(b.VDisplay), int(b.HDisplay)*int(a.VDisplay)
	return max(x, y)-min(x, y) <= max(x, y)/100
}
