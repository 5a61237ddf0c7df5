// Package v4l2 takes frames from Linux cameras: it finds them, probes them, negotiates and streams. It knows nothing of calls.
//
// It promises that a frame is handed on with the driver's own sequence number and the CLOCK_MONOTONIC time of its capture; that a
// wait ends at once when it is told to; that after an unplug the descriptor and the memory are let go of at once, since the kernel
// gives the number N of /dev/videoN free only then; that nothing the driver says is believed before it is checked; and that every
// error is one of a few kinds, keeps its errno, and reads as a sentence. It starts no goroutine but a Watcher's own.
//
//	Open: find ─▶ open ─▶ S_FMT, S_PARM ─▶ controls ─▶ REQBUFS, mmap, QBUF ─▶ STREAMON
//	                                                                             │
//	              ┌───────────────────────── Restart: STREAMOFF, QBUF, STREAMON  │
//	              ▼                                                       ▲      ▼
//	          streaming ── Next: poll{camera, eventfd}, DQBUF ─▶ Buffer ──┴─ Release: QBUF
//	              │
//	              ├─ Close ────────────────────────────────▶ closed
//	              └─ ENODEV, POLLERR, … ─▶ lost: closed and unmapped already, but for held buffers ── Close ─▶ closed
//
// A camera is opened by two descriptors. Ours streams. The other is github.com/blackjack/webcam's, stands beside it only while Open
// probes, and is asked for formats and sizes; webcam does not tell negotiated sizes, time stamps, sequence numbers and errors, nor a
// control's value, default and menu, and cannot be woken (v0.6.1).
//
// Watch tells of hot-plug by inotify on /dev, as the kernel makes and removes nodes and udev hands them to their group. Formats, Controls
// and SetControl open the camera for a moment, also beside a stream. ResetUSB is the last resort when a camera is frozen.
//
// Descriptors are never given to Go's poller: epoll begins the read() emulation of some drivers, and REQBUFS then answers EBUSY.
package v4l2
