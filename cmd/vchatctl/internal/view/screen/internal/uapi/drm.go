package uapi

import (
	"runtime"
	"unsafe"
)

// Values of drm/drm.h and drm/drm_mode.h, without the prefixes DRM_ and
// DRM_MODE_.
const (
	CapDumbBuffer         = 0x1
	CapDumbPreferredDepth = 0x3

	Connected          = 1 // enum drm_connector_status, in drm_mode_get_connector.connection
	ConnectorWriteback = 18

	TypePreferred = 1 << 3
	FlagInterlace = 1 << 4

	PageFlipEvent = 0x01

	EventFlipComplete = 0x02
)

// ModeInfo is struct drm_mode_modeinfo.
type ModeInfo struct {
	Clock                                         uint32 // kHz
	HDisplay, HSyncStart, HSyncEnd, HTotal, HSkew uint16
	VDisplay, VSyncStart, VSyncEnd, VTotal, VScan uint16
	VRefresh                                      uint32 // Hz
	Flags                                         uint32
	Type                                          uint32
	Name                                          [32]byte
}

// cardRes is struct drm_mode_card_res.
type cardRes struct {
	fbs, crtcs, connectors, encoders                     uint64 // addresses
	countFBs, countCRTCs, countConnectors, countEncoders uint32
	minWidth, maxWidth, minHeight, maxHeight             uint32
}

// Resources are the ids of a card's CRTCs and connectors, and its size limit.
type Resources struct {
	CRTCs, Connectors   []uint32
	MaxWidth, MaxHeight uint32
}

// getConnector is struct drm_mode_get_connector.
type getConnector struct {
	encoders, modes, props, propValues    uint64 // addresses
	countModes, countProps, countEncoders uint32
	encoderID, connectorID                uint32
	connectorType, connectorTypeID        uint32
	connection                            uint32
	mmWidth, mmHeight                     uint32
	subpixel                              uint32
	_                                     uint32
}

// Connector is an output of a card for one monitor.
type Connector struct {
	ID           uint32
	Encoder      uint32 // current encoder; 0: none
	Type, Number uint32
	Connection   uint32
	Encoders     []uint32 // possible encoders
	Modes        []ModeInfo
}

// Encoder is struct drm_mode_get_encoder.
type Encoder struct {
	ID             uint32
	Type           uint32
	CRTC           uint32 // current CRTC; 0: none
	PossibleCRTCs  uint32 // bit i: Resources.CRTCs[i]
	PossibleClones uint32
}

// CRTC is struct drm_mode_crtc. SetCRTC sets the list of connectors.
type CRTC struct {
	connectors      uint64 // address
	countConnectors uint32
	ID              uint32
	FB              uint32 // framebuffer shown; 0: none
	X, Y            uint32 // offset in the framebuffer
	GammaSize       uint32
	ModeValid       uint32
	Mode            ModeInfo
}

// FB is struct drm_mode_fb_cmd.
type FB struct {
	ID            uint32 // set by the kernel
	Width, Height uint32
	Pitch         uint32 // bytes per row
	BPP, Depth    uint32 // bits
	Handle        uint32
}

// Dumb is struct drm_mode_create_dumb. The kernel sets Handle, Pitch and Size.
type Dumb struct {
	Height, Width uint32
	BPP           uint32
	Flags         uint32
	Handle        uint32
	Pitch         uint32
	Size          uint64
}

// mapDumb is struct drm_mode_map_dumb.
type mapDumb struct {
	handle uint32
	_      uint32
	offset uint64
}

// PageFlip is struct drm_mode_crtc_page_flip.
type PageFlip struct {
	CRTC, FB uint32
	Flags    uint32
	_        uint32
	UserData uint64
}

// getCap is struct drm_get_cap.
type getCap struct{ capability, value uint64 }

// Event is struct drm_event_vblank, which a read returns after a flip.
type Event struct {
	Type, Length   uint32
	UserData       uint64
	Sec, Usec, Seq uint32
	CRTC           uint32
}

const (
	drmGetCap           = dirBoth | unsafe.Sizeof(getCap{})<<16 | 'd'<<8 | 0x0c
	drmDropMaster       = 'd'<<8 | 0x1f
	drmModeGetResources = dirBoth | unsafe.Sizeof(cardRes{})<<16 | 'd'<<8 | 0xa0
	drmModeGetCRTC      = dirBoth | unsafe.Sizeof(CRTC{})<<16 | 'd'<<8 | 0xa1
	drmModeSetCRTC      = dirBoth | unsafe.Sizeof(CRTC{})<<16 | 'd'<<8 | 0xa2
	drmModeGetEncoder   = dirBoth | unsafe.Sizeof(Encoder{})<<16 | 'd'<<8 | 0xa6
	drmModeGetConnector = dirBoth | unsafe.Sizeof(getConnector{})<<16 | 'd'<<8 | 0xa7
	drmModeAddFB        = dirBoth | unsafe.Sizeof(FB{})<<16 | 'd'<<8 | 0xae
	drmModeRmFB         = dirBoth | unsafe.Sizeof(uint32(0))<<16 | 'd'<<8 | 0xaf
	drmModePageFlip     = dirBoth | unsafe.Sizeof(PageFlip{})<<16 | 'd'<<8 | 0xb0
	drmModeCreateDumb   = dirBoth | unsafe.Sizeof(Dumb{})<<16 | 'd'<<8 | 0xb2
	drmModeMapDumb      = dirBoth | unsafe.Sizeof(mapDumb{})<<16 | 'd'<<8 | 0xb3
	drmModeDestroyDumb  = dirBoth | unsafe.Sizeof(uint32(0))<<16 | 'd'<<8 | 0xb4
)

// Cap returns the value of a capability (DRM_IOCTL_GET_CAP).
func Cap(fd int, capability uint64) (uint64, error) {
	c := getCap{capability: capability}
	err := ioctl(fd, drmGetCap, unsafe.Pointer(&c))
	return c.value, err
}

// DropMaster gives up the right to set what the card shows
// (DRM_IOCTL_DROP_MASTER).
func DropMaster(fd int) error { return ioctlValue(fd, drmDropMaster, 0) }

// GetResources returns the card's CRTCs and connectors
// (DRM_IOCTL_MODE_GETRESOURCES). It returns EOPNOTSUPP or EINVAL for a card
// without outputs, such as a GPU for 3D only.
func GetResources(fd int) (Resources, error) {
	for {
		var count cardRes
		if err := ioctl(fd, drmModeGetResources, unsafe.Pointer(&count)); err != nil {
			return Resources{}, err
		}
		var pin runtime.Pinner
		crtcs, connectors := make([]uint32, count.countCRTCs), make([]uint32, count.countConnectors)
		r := cardRes{countCRTCs: count.countCRTCs, countConnectors: count.countConnectors,
			crtcs: address(&pin, crtcs), connectors: address(&pin, connectors)}
		err := ioctl(fd, drmModeGetResources, unsafe.Pointer(&r))
		pin.Unpin()
		if err != nil {
			return Resources{}, err
		}
		// The kernel counts, but does not write, what was added in between.
		if r.countCRTCs <= count.countCRTCs && r.countConnectors <= count.countConnectors {
			return Resources{crtcs[:r.countCRTCs], connectors[:r.countConnectors], r.maxWidth, r.maxHeight}, nil
		}
	}
}

// GetConnector returns a connector and its monitor's modes
// (DRM_IOCTL_MODE_GETCONNECTOR). The kernel probes for a monitor, which takes
// up to about 100 ms.
func GetConnector(fd int, id uint32) (Connector, error) {
	for {
		count := getConnector{connectorID: id}
		if err := ioctl(fd, drmModeGetConnector, unsafe.Pointer(&count)); err != nil {
			return Connector{}, err
		}
		var pin runtime.Pinner
		// At least one mode: with a count of 0 the kernel probes again.
		modes, encoders := make([]ModeInfo, max(1, count.countModes)), make([]uint32, count.countEncoders)
		c := getConnector{connectorID: id, countModes: uint32(len(modes)), countEncoders: count.countEncoders,
			modes: address(&pin, modes), encoders: address(&pin, encoders)}
		err := ioctl(fd, drmModeGetConnector, unsafe.Pointer(&c))
		pin.Unpin()
		if err != nil {
			return Connector{}, err
		}
		if int(c.countModes) <= len(modes) && int(c.countEncoders) <= len(encoders) {
			return Connector{ID: id, Encoder: c.encoderID, Type: c.connectorType, Number: c.connectorTypeID,
				Connection: c.connection, Encoders: encoders[:c.countEncoders], Modes: modes[:c.countModes]}, nil
		}
	}
}

// address pins a slice and returns its address, as the kernel takes it on
// 32-bit and 64-bit machines.
func address[T any](pin *runtime.Pinner, s []T) uint64 {
	if len(s) == 0 {
		return 0
	}
	pin.Pin(&s[0])
	return uint64(uintptr(unsafe.Pointer(&s[0])))
}

// GetEncoder returns encoder id (DRM_IOCTL_MODE_GETENCODER).
func GetEncoder(fd int, id uint32) (Encoder, error) {
	e := Encoder{ID: id}
	err := ioctl(fd, drmModeGetEncoder, unsafe.Pointer(&e))
	return e, err
}

// GetCRTC returns the state of CRTC id (DRM_IOCTL_MODE_GETCRTC).
func GetCRTC(fd int, id uint32) (CRTC, error) {
	c := CRTC{ID: id}
	err := ioctl(fd, drmModeGetCRTC, unsafe.Pointer(&c))
	return c, err
}

// SetCRTC shows c.FB in c.Mode on connectors (DRM_IOCTL_MODE_SETCRTC). It
// returns when the modeset is done.
func SetCRTC(fd int, c CRTC, connectors []uint32) error {
	var pin runtime.Pinner
	defer pin.Unpin()
	c.connectors, c.countConnectors = address(&pin, connectors), uint32(len(connectors))
	return ioctl(fd, drmModeSetCRTC, unsafe.Pointer(&c))
}

// AddFB creates a framebuffer for a dumb buffer (DRM_IOCTL_MODE_ADDFB).
func AddFB(fd int, f *FB) error { return ioctl(fd, drmModeAddFB, unsafe.Pointer(f)) }

// RmFB removes framebuffer id and turns off the CRTCs that show it
// (DRM_IOCTL_MODE_RMFB).
func RmFB(fd int, id uint32) error { return ioctl(fd, drmModeRmFB, unsafe.Pointer(&id)) }

// Flip shows another framebuffer from the next refresh
// (DRM_IOCTL_MODE_PAGE_FLIP). It returns EBUSY while a flip is pending.
func Flip(fd int, p *PageFlip) error { return ioctl(fd, drmModePageFlip, unsafe.Pointer(p)) }

// CreateDumb creates a zeroed buffer that the CPU paints and the card shows
// (DRM_IOCTL_MODE_CREATE_DUMB).
func CreateDumb(fd int, d *Dumb) error { return ioctl(fd, drmModeCreateDumb, unsafe.Pointer(d)) }

// MapDumb returns the offset in the card's file at which to map a buffer
// (DRM_IOCTL_MODE_MAP_DUMB).
func MapDumb(fd int, handle uint32) (offset uint64, err error) {
	m := mapDumb{handle: handle}
	err = ioctl(fd, drmModeMapDumb, unsafe.Pointer(&m))
	return m.offset, err
}

// DestroyDumb frees a buffer (DRM_IOCTL_MODE_DESTROY_DUMB). Its memory stays
// until it is no longer mapped or shown.
func DestroyDumb(fd int, handle uint32) error {
	return ioctl(fd, drmModeDestroyDumb, unsafe.Pointer(&handle))
}
