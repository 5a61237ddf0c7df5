package uapi

import (
	"runtime"
	"unsafe"
)

// Values of drm/drm.h and drm/drm_mode.h, by the headers' names without DRM_ and DRM_MODE_.
const (
	CapDumbBuffer         = 0x1
	CapDumbPreferredDepth = 0x3

	Connected          = 1 // of drm_mode_get_connector.connection, as enum drm_connector_status
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

// Resources are what a card has, by their ids.
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

// Connector is a socket for a monitor.
type Connector struct {
	ID           uint32
	Encoder      uint32 // that it is driven by now; 0: none
	Type, Number uint32
	Connection   uint32
	Encoders     []uint32 // that can drive it
	Modes        []ModeInfo
}

// Encoder is struct drm_mode_get_encoder.
type Encoder struct {
	ID             uint32
	Type           uint32
	CRTC           uint32 // that it gets its frame from now; 0: none
	PossibleCRTCs  uint32 // bit i: number i of Resources.CRTCs
	PossibleClones uint32
}

// CRTC is struct drm_mode_crtc, without its list of connectors: SetCRTC takes that.
type CRTC struct {
	connectors      uint64 // address
	countConnectors uint32
	ID              uint32
	FB              uint32 // that it shows; 0: none
	X, Y            uint32 // in the framebuffer
	GammaSize       uint32
	ModeValid       uint32
	Mode            ModeInfo
}

// FB is struct drm_mode_fb_cmd.
type FB struct {
	ID            uint32 // the kernel's answer
	Width, Height uint32
	Pitch         uint32 // bytes from row to row
	BPP, Depth    uint32 // bits
	Handle        uint32
}

// Dumb is struct drm_mode_create_dumb. Handle, Pitch and Size are the kernel's answer.
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

// Event is struct drm_event_vblank, which a read of the card gives for a flip.
type Event struct {
	Type, Length   uint32
	UserData       uint64
	Sec, Usec, Seq uint32
	CRTC           uint32
}

const (
	drmGetCap           = both | unsafe.Sizeof(getCap{})<<16 | 'd'<<8 | 0x0c
	drmDropMaster       = 'd'<<8 | 0x1f
	drmModeGetResources = both | unsafe.Sizeof(cardRes{})<<16 | 'd'<<8 | 0xa0
	drmModeGetCRTC      = both | unsafe.Sizeof(CRTC{})<<16 | 'd'<<8 | 0xa1
	drmModeSetCRTC      = both | unsafe.Sizeof(CRTC{})<<16 | 'd'<<8 | 0xa2
	drmModeGetEncoder   = both | unsafe.Sizeof(Encoder{})<<16 | 'd'<<8 | 0xa6
	drmModeGetConnector = both | unsafe.Sizeof(getConnector{})<<16 | 'd'<<8 | 0xa7
	drmModeAddFB        = both | unsafe.Sizeof(FB{})<<16 | 'd'<<8 | 0xae
	drmModeRmFB         = both | unsafe.Sizeof(uint32(0))<<16 | 'd'<<8 | 0xaf
	drmModePageFlip     = both | unsafe.Sizeof(PageFlip{})<<16 | 'd'<<8 | 0xb0
	drmModeCreateDumb   = both | unsafe.Sizeof(Dumb{})<<16 | 'd'<<8 | 0xb2
	drmModeMapDumb      = both | unsafe.Sizeof(mapDumb{})<<16 | 'd'<<8 | 0xb3
	drmModeDestroyDumb  = both | unsafe.Sizeof(uint32(0))<<16 | 'd'<<8 | 0xb4
)

// Cap asks for a capability (DRM_IOCTL_GET_CAP).
func Cap(fd int, capability uint64) (uint64, error) {
	c := getCap{capability: capability}
	err := ioctl(fd, drmGetCap, unsafe.Pointer(&c))
	return c.value, err
}

// DropMaster leaves it to other open files to say what the card shows (DRM_IOCTL_DROP_MASTER).
func DropMaster(fd int) error { return ioctlValue(fd, drmDropMaster, 0) }

// GetResources asks what the card has (DRM_IOCTL_MODE_GETRESOURCES); EOPNOTSUPP or EINVAL of a card that cannot show
// anything, such as a graphics processor without outputs.
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
		// What came in between was counted, but not written.
		if r.countCRTCs <= count.countCRTCs && r.countConnectors <= count.countConnectors {
			return Resources{crtcs[:r.countCRTCs], connectors[:r.countConnectors], r.maxWidth, r.maxHeight}, nil
		}
	}
}

// GetConnector asks what a connector is and what is connected to it (DRM_IOCTL_MODE_GETCONNECTOR). The kernel then looks
// whether there is a monitor, which takes up to some 100 ms.
func GetConnector(fd int, id uint32) (Connector, error) {
	for {
		count := getConnector{connectorID: id}
		if err := ioctl(fd, drmModeGetConnector, unsafe.Pointer(&count)); err != nil {
			return Connector{}, err
		}
		var pin runtime.Pinner
		// One place at least: a count of 0 is what makes the kernel look again.
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

// address gives where a slice lies, as the kernel takes addresses on machines of any width. The slice is pinned.
func address[T any](pin *runtime.Pinner, s []T) uint64 {
	if len(s) == 0 {
		return 0
	}
	pin.Pin(&s[0])
	return uint64(uintptr(unsafe.Pointer(&s[0])))
}

// GetEncoder asks for encoder id (DRM_IOCTL_MODE_GETENCODER).
func GetEncoder(fd int, id uint32) (Encoder, error) {
	e := Encoder{ID: id}
	err := ioctl(fd, drmModeGetEncoder, unsafe.Pointer(&e))
	return e, err
}

// GetCRTC asks what CRTC id shows (DRM_IOCTL_MODE_GETCRTC).
func GetCRTC(fd int, id uint32) (CRTC, error) {
	c := CRTC{ID: id}
	err := ioctl(fd, drmModeGetCRTC, unsafe.Pointer(&c))
	return c, err
}

// SetCRTC has a CRTC show c.FB in c.Mode on connectors (DRM_IOCTL_MODE_SETCRTC); it waits until that is so.
func SetCRTC(fd int, c CRTC, connectors []uint32) error {
	var pin runtime.Pinner
	defer pin.Unpin()
	c.connectors, c.countConnectors = address(&pin, connectors), uint32(len(connectors))
	return ioctl(fd, drmModeSetCRTC, unsafe.Pointer(&c))
}

// AddFB makes a framebuffer of a buffer (DRM_IOCTL_MODE_ADDFB).
func AddFB(fd int, f *FB) error { return ioctl(fd, drmModeAddFB, unsafe.Pointer(f)) }

// RmFB removes framebuffer id and switches off what shows it (DRM_IOCTL_MODE_RMFB).
func RmFB(fd int, id uint32) error { return ioctl(fd, drmModeRmFB, unsafe.Pointer(&id)) }

// Flip shows another framebuffer from the next refresh on (DRM_IOCTL_MODE_PAGE_FLIP); EBUSY while one is waited for.
func Flip(fd int, p *PageFlip) error { return ioctl(fd, drmModePageFlip, unsafe.Pointer(p)) }

// CreateDumb makes a buffer that the processor paints and the card shows (DRM_IOCTL_MODE_CREATE_DUMB), all zero.
func CreateDumb(fd int, d *Dumb) error { return ioctl(fd, drmModeCreateDumb, unsafe.Pointer(d)) }

// MapDumb asks where in the card's file a buffer is to be mapped (DRM_IOCTL_MODE_MAP_DUMB).
func MapDumb(fd int, handle uint32) (offset uint64, err error) {
	m := mapDumb{handle: handle}
	err = ioctl(fd, drmModeMapDumb, unsafe.Pointer(&m))
	return m.offset, err
}

// DestroyDumb gives a buffer back (DRM_IOCTL_MODE_DESTROY_DUMB); its memory goes when nothing maps or shows it any more.
func DestroyDumb(fd int, handle uint32) error {
	return ioctl(fd, drmModeDestroyDumb, unsafe.Pointer(&handle))
}
