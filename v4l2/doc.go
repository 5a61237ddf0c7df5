// Package v4l2 captures frames from Linux cameras: it finds, probes and
// negotiates with them, and streams.
//
// Guarantees:
//
//   - Each frame has the driver's sequence number and the CLOCK_MONOTONIC time
//     of its capture.
//   - Wake and Close end a wait at once.
//   - After an unplug the descriptor and the mappings are closed at once. Only
//     then can the kernel reuse the number N of /dev/videoN.
//   - No value from the driver is used before it is checked.
//   - Each error matches one of the Err values and its errno by errors.Is, and
//     its text is meant for users.
//   - The only goroutine belongs to a Watcher. Close ends it.
//
// Life of a Camera:
//
//	Open: find ─▶ open ─▶ S_FMT, S_PARM ─▶ controls ─▶ REQBUFS, mmap, QBUF ─▶ STREAMON
//	                                                                             │
//	              ┌───────────────────────── Restart: STREAMOFF, QBUF, STREAMON  │
//	              ▼                                                       ▲      ▼
//	          streaming ── Next: poll{camera, eventfd}, DQBUF ─▶ Buffer ──┴─ Release: QBUF
//	              │
//	              ├─ Close ────────────────────────────────▶ closed
//	              └─ ENODEV, POLLERR, … ─▶ lost: closed, held buffers still mapped ── Close ─▶ closed
//
// # System calls
//
// Package internal/uapi has one function per ioctl. A camera works without the
// optional ones: their failures are ignored or become warnings, unless the
// device is gone. "controls" are Controls, SetControl and SetControls. In Find
// and Open the enumerations are made by webcam.
//
//	ioctl               called by               needed    failure means
//	QUERYCAP            each open               yes       ErrNotCamera
//	ENUM_FMT            Find, Open; Formats     yes       ErrNoFormat
//	ENUM_FRAMESIZES     Open; Formats           optional  sizes unknown: the driver chooses
//	ENUM_FRAMEINTERVALS Open; Formats           optional  rates unknown
//	G_FMT               Open                    yes       Open fails
//	S_FMT               Open                    yes       EINVAL: next format; EBUSY: ErrBusy
//	S_PARM, G_PARM      Open                    optional  the default rate; a warning unless ENOTTY, EINVAL
//	QUERY_EXT_CTRL      Open, controls          optional  EINVAL: no (more) controls
//	QUERYMENU           Open, controls          optional  no menu entry at this index
//	G_EXT_CTRLS         Open, controls          optional  the value is unknown
//	S_EXT_CTRLS         Open, controls          optional  an error; in Open a warning
//	REQBUFS             Open, Close             yes       EBUSY: ErrBusy
//	QUERYBUF, mmap      Open                    yes       Open fails
//	QBUF                Open, Release, Restart  yes       camera lost
//	DQBUF               Next                    yes       EAGAIN, EIO: 15 retries; else lost
//	STREAMON            Open, Restart           yes       ENOSPC, EIO: Open tries smaller sizes; else lost
//	STREAMOFF           Restart, Close          yes       Restart: camera lost
//	USBDEVFS_RESET      ResetUSB                optional  EACCES, EPERM: ErrPermission
//
// Find and Open use a second descriptor, of github.com/blackjack/webcam, for a
// moment. It lists formats and sizes. Where the driver's list never ends,
// webcam would not return, and this package lists the first entries itself.
// webcam (v0.6.1) does not report negotiated sizes, time stamps, sequence
// numbers, errors, or a control's value, default and menu, and its wait cannot
// be interrupted. The streaming descriptor is this package's own.
//
// No camera descriptor is added to Go's runtime poller. epoll starts the read()
// emulation of some drivers, and REQBUFS then fails with EBUSY.
package v4l2
