package uapi

import (
	"testing"
	"unsafe"
)

// The numbers come from a C compiler with drm/drm.h, drm/drm_mode.h,
// linux/vt.h, linux/kd.h and linux/input.h. They are the same on 32-bit and
// 64-bit machines, but for those of struct input_event.
func TestLayout(t *testing.T) {
	var (
		r cardRes
		m ModeInfo
		c getConnector
		e Encoder
		s CRTC
		f FB
		d Dumb
		p PageFlip
		v Event
		w VTMode
		i InputEvent
		a AbsInfo
	)
	// Its time has two longs, on 32-bit machines also in a program whose time_t
	// has 64 bits.
	eventTime := 2 * unsafe.Sizeof(uintptr(0))
	for _, x := range []struct {
		name      string
		got, want uintptr
	}{
		{"sizeof drm_mode_card_res", unsafe.Sizeof(r), 64},
		{"drm_mode_card_res.count_fbs", unsafe.Offsetof(r.countFBs), 32},
		{"drm_mode_card_res.min_width", unsafe.Offsetof(r.minWidth), 48},
		{"drm_mode_card_res.max_height", unsafe.Offsetof(r.maxHeight), 60},
		{"sizeof drm_mode_modeinfo", unsafe.Sizeof(m), 68},
		{"drm_mode_modeinfo.hdisplay", unsafe.Offsetof(m.HDisplay), 4},
		{"drm_mode_modeinfo.vdisplay", unsafe.Offsetof(m.VDisplay), 14},
		{"drm_mode_modeinfo.vrefresh", unsafe.Offsetof(m.VRefresh), 24},
		{"drm_mode_modeinfo.type", unsafe.Offsetof(m.Type), 32},
		{"drm_mode_modeinfo.name", unsafe.Offsetof(m.Name), 36},
		{"sizeof drm_mode_get_connector", unsafe.Sizeof(c), 80},
		{"drm_mode_get_connector.count_modes", unsafe.Offsetof(c.countModes), 32},
		{"drm_mode_get_connector.encoder_id", unsafe.Offsetof(c.encoderID), 44},
		{"drm_mode_get_connector.connection", unsafe.Offsetof(c.connection), 60},
		{"drm_mode_get_connector.mm_width", unsafe.Offsetof(c.mmWidth), 64},
		{"sizeof drm_mode_get_encoder", unsafe.Sizeof(e), 20},
		{"drm_mode_get_encoder.crtc_id", unsafe.Offsetof(e.CRTC), 8},
		{"drm_mode_get_encoder.possible_crtcs", unsafe.Offsetof(e.PossibleCRTCs), 12},
		{"sizeof drm_mode_crtc", unsafe.Sizeof(s), 104},
		{"drm_mode_crtc.count_connectors", unsafe.Offsetof(s.countConnectors), 8},
		{"drm_mode_crtc.crtc_id", unsafe.Offsetof(s.ID), 12},
		{"drm_mode_crtc.fb_id", unsafe.Offsetof(s.FB), 16},
		{"drm_mode_crtc.mode_valid", unsafe.Offsetof(s.ModeValid), 32},
		{"drm_mode_crtc.mode", unsafe.Offsetof(s.Mode), 36},
		{"sizeof drm_mode_fb_cmd", unsafe.Sizeof(f), 28},
		{"drm_mode_fb_cmd.pitch", unsafe.Offsetof(f.Pitch), 12},
		{"drm_mode_fb_cmd.handle", unsafe.Offsetof(f.Handle), 24},
		{"sizeof drm_mode_create_dumb", unsafe.Sizeof(d), 32},
		{"drm_mode_create_dumb.bpp", unsafe.Offsetof(d.BPP), 8},
		{"drm_mode_create_dumb.handle", unsafe.Offsetof(d.Handle), 16},
		{"drm_mode_create_dumb.pitch", unsafe.Offsetof(d.Pitch), 20},
		{"drm_mode_create_dumb.size", unsafe.Offsetof(d.Size), 24},
		{"sizeof drm_mode_map_dumb", unsafe.Sizeof(mapDumb{}), 16},
		{"drm_mode_map_dumb.offset", unsafe.Offsetof(mapDumb{}.offset), 8},
		{"sizeof drm_mode_crtc_page_flip", unsafe.Sizeof(p), 24},
		{"drm_mode_crtc_page_flip.flags", unsafe.Offsetof(p.Flags), 8},
		{"drm_mode_crtc_page_flip.user_data", unsafe.Offsetof(p.UserData), 16},
		{"sizeof drm_get_cap", unsafe.Sizeof(getCap{}), 16},
		{"drm_get_cap.value", unsafe.Offsetof(getCap{}.value), 8},
		{"sizeof drm_event_vblank", unsafe.Sizeof(v), 32},
		{"drm_event_vblank.user_data", unsafe.Offsetof(v.UserData), 8},
		{"drm_event_vblank.crtc_id", unsafe.Offsetof(v.CRTC), 28},
		{"sizeof vt_mode", unsafe.Sizeof(w), 8},
		{"vt_mode.relsig", unsafe.Offsetof(w.RelSig), 2},
		{"vt_mode.acqsig", unsafe.Offsetof(w.AcqSig), 4},
		{"sizeof vt_stat", unsafe.Sizeof(vtStat{}), 6},
		{"sizeof input_event", unsafe.Sizeof(i), eventTime + 8},
		{"input_event.type", unsafe.Offsetof(i.Type), eventTime},
		{"input_event.code", unsafe.Offsetof(i.Code), eventTime + 2},
		{"input_event.value", unsafe.Offsetof(i.Value), eventTime + 4},
		{"sizeof input_absinfo", unsafe.Sizeof(a), 24},
		{"input_absinfo.minimum", unsafe.Offsetof(a.Min), 4},
		{"input_absinfo.maximum", unsafe.Offsetof(a.Max), 8},
		{"input_absinfo.fuzz", unsafe.Offsetof(a.Fuzz), 12},
		{"input_absinfo.flat", unsafe.Offsetof(a.Flat), 16},
		{"input_absinfo.resolution", unsafe.Offsetof(a.Resolution), 20},
	} {
		t.Run(x.name, func(t *testing.T) {
			if x.got != x.want {
				t.Errorf("got %d, want %d as in C", x.got, x.want)
			}
		})
	}
}

func TestIoctlNumbers(t *testing.T) {
	for _, x := range []struct {
		name      string
		got, want uintptr
	}{
		{"DRM_IOCTL_GET_CAP", drmGetCap, 0xc010640c},
		{"DRM_IOCTL_DROP_MASTER", drmDropMaster, 0x641f},
		{"DRM_IOCTL_MODE_GETRESOURCES", drmModeGetResources, 0xc04064a0},
		{"DRM_IOCTL_MODE_GETCRTC", drmModeGetCRTC, 0xc06864a1},
		{"DRM_IOCTL_MODE_SETCRTC", drmModeSetCRTC, 0xc06864a2},
		{"DRM_IOCTL_MODE_GETENCODER", drmModeGetEncoder, 0xc01464a6},
		{"DRM_IOCTL_MODE_GETCONNECTOR", drmModeGetConnector, 0xc05064a7},
		{"DRM_IOCTL_MODE_ADDFB", drmModeAddFB, 0xc01c64ae},
		{"DRM_IOCTL_MODE_RMFB", drmModeRmFB, 0xc00464af},
		{"DRM_IOCTL_MODE_PAGE_FLIP", drmModePageFlip, 0xc01864b0},
		{"DRM_IOCTL_MODE_CREATE_DUMB", drmModeCreateDumb, 0xc02064b2},
		{"DRM_IOCTL_MODE_MAP_DUMB", drmModeMapDumb, 0xc01064b3},
		{"DRM_IOCTL_MODE_DESTROY_DUMB", drmModeDestroyDumb, 0xc00464b4},
		{"KDSETMODE", kdSetMode, 0x4b3a},
		{"KDGETMODE", kdGetMode, 0x4b3b},
		{"VT_SETMODE", vtSetMode, 0x5602},
		{"VT_GETSTATE", vtGetState, 0x5603},
		{"VT_RELDISP", vtRelDisp, 0x5605},
		{"TIOCGDEV", tiocgDev, 0x80045432},
		{"EVIOCGPROP(4)", inputProps(4), 0x80044509},
		{"EVIOCGBIT(EV_KEY, 96)", inputBits(EvKey, 96), 0x80604521},
		{"EVIOCGBIT(EV_REL, 2)", inputBits(EvRel, 2), 0x80024522},
		{"EVIOCGBIT(EV_ABS, 8)", inputBits(EvAbs, 8), 0x80084523},
		{"EVIOCGABS(ABS_X)", inputAbs(AbsX), 0x80184540},
		{"EVIOCGABS(ABS_MT_SLOT)", inputAbs(AbsMTSlot), 0x8018456f},
		{"EVIOCGABS(ABS_MT_TRACKING_ID)", inputAbs(AbsMTTrackingID), 0x80184579},
		{"EVIOCGMTSLOTS(132)", inputSlots(132), 0x8084450a},
	} {
		t.Run(x.name, func(t *testing.T) {
			if x.got != x.want {
				t.Errorf("got %#x, want %#x as in C", x.got, x.want)
			}
		})
	}
}
