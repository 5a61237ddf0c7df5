package screen

import (
	"slices"

	"vchat/cmd/vchatctl/internal/view/screen/internal/uapi"
)

// enoughPixels is what a monitor is asked for at most, if it has a mode of the same shape to choose: pixels are painted by
// the processor, cameras have fewer, and a monitor enlarges at no cost.
const enoughPixels = 1920 * 1200

// target is what is to be shown on: one connector of a card, by one of its CRTCs, in one mode.
type target struct {
	connector uint32
	crtc      uint32
	mode      uapi.ModeInfo
}

// choose finds the first connected monitor of a card and how to reach it. The error is errNoMonitor or the kernel's.
func choose(c card) (target, error) {
	res, err := c.resources()
	if err != nil {
		return target{}, err
	}
	var connected []uapi.Connector
	for _, id := range res.Connectors {
		conn, err := c.connector(id)
		if err != nil {
			continue // it has just gone, as those of docks do
		}
		if conn.Connection == uapi.Connected && conn.Type != uapi.ConnectorWriteback && len(conn.Modes) > 0 {
			connected = append(connected, conn)
		}
	}
	for i, conn := range connected {
		others := slices.Delete(slices.Clone(connected), i, i+1)
		if crtc, ok := chooseCRTC(c, res.CRTCs, conn, others); ok {
			return target{conn.ID, crtc, chooseMode(conn.Modes, res)}, nil
		}
	}
	return target{}, errNoMonitor
}

// chooseCRTC prefers what drives the connector now, then what drives nothing.
func chooseCRTC(c card, crtcs []uint32, conn uapi.Connector, others []uapi.Connector) (uint32, bool) {
	if now := drivenBy(c, conn); now != 0 {
		return now, true
	}
	var taken []uint32
	for _, o := range others {
		taken = append(taken, drivenBy(c, o))
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

// drivenBy is the CRTC that a connector shows the frame of, 0 if none.
func drivenBy(c card, conn uapi.Connector) uint32 {
	if conn.Encoder == 0 {
		return 0
	}
	enc, err := c.encoder(conn.Encoder)
	if err != nil {
		return 0
	}
	return enc.CRTC
}

// chooseMode takes the mode that the monitor prefers, or of its shape the largest that has not more than enough pixels.
// There is at least one mode.
func chooseMode(modes []uapi.ModeInfo, res uapi.Resources) uapi.ModeInfo {
	best := modes[max(0, slices.IndexFunc(modes, func(m uapi.ModeInfo) bool { return m.Type&uapi.TypePreferred != 0 }))]
	if area(best) <= enoughPixels && fits(best, res) {
		return best
	}
	var smaller uapi.ModeInfo
	for _, m := range modes {
		if area(m) > enoughPixels || !fits(m, res) || m.Flags&uapi.FlagInterlace != 0 || !sameShape(m, best) {
			continue
		}
		if area(m) > area(smaller) || area(m) == area(smaller) && m.VRefresh > smaller.VRefresh && m.VRefresh <= best.VRefresh {
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

// sameShape allows for 1 %: monitors list 1366x768 as 16:9.
func sameShape(a, b uapi.ModeInfo) bool {
	x, y := int(a.HDisplay)*int(b.VDisplay), int(b.HDisplay)*int(a.VDisplay)
	return max(x, y)-min(x, y) <= max(x, y)/100
}
