package main

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// now returns CLOCK_MONOTONIC, the clock of drivers' and test cameras' stamps.
func now() time.Duration { return clock(unix.CLOCK_MONOTONIC) }

// wall returns the time since the epoch.
func wall() time.Duration { return clock(unix.CLOCK_REALTIME) }

func clock(id int32) time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(id, &t) // cannot fail: Linux has both clocks
	return time.Duration(t.Nano())
}

// stamp is the capture time of a frame.
type stamp struct {
	taken time.Duration // on CLOCK_MONOTONIC
	seq   int64         // the camera's count; -1: unknown
	from  string        // the source of the stamp; empty: none
}

const inFrame = "the camera's stamp in the frame"

// stampOf returns a frame's capture time: from the frame itself if it is there,
// as that is the same for all programs, else from the part's headers.
func stampOf(jpeg []byte, header map[string]string, mono, wall time.Duration) stamp {
	if s, ok := stampIn(jpeg, mono); ok {
		return s
	}
	seconds := func(name string) (time.Duration, bool) {
		v, err := strconv.ParseFloat(header[name], 64)
		return time.Duration(v * float64(time.Second)), err == nil
	}
	// µStreamer's X-Timestamp is the time of sending, which is no use here. Its
	// other times are on CLOCK_MONOTONIC.
	if t, ok := seconds("x-ustreamer-grab-time"); ok {
		return stamp{t, -1, "µStreamer's X-UStreamer-Grab-Time (when it got the frame from the driver, to 1 ms)"}
	}
	if t, ok := seconds("x-timestamp"); ok && header["x-age-ms"] != "" {
		seq, err := strconv.ParseInt(header["x-sequence"], 10, 64)
		if err != nil {
			seq = -1
		}
		return stamp{t - wall + mono, seq, "vchat's X-Timestamp (the driver's stamp)"}
	}
	return stamp{seq: -1}
}

// stampIn reads the stamp of an emulated camera: a JPEG comment with four
// letters, a sequence number and CLOCK_MONOTONIC in nanoseconds. It knows the
// format of daemon/vmtest (big endian, after a camera number and before a
// checksum) and a plain one (little endian, any letters). Other comments of
// that length do not hold the present time.
func stampIn(jpeg []byte, mono time.Duration) (stamp, bool) {
	for b := jpeg[min(2, len(jpeg)):]; len(b) > 4 && b[0] == 0xff && b[1] != 0xda; {
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n < 2 || len(b) < 2+n {
			break
		}
		body := b[4 : 2+n]
		s := stamp{from: inFrame}
		switch {
		case b[1] != 0xfe:
		case len(body) == 16:
			s.seq = int64(binary.LittleEndian.Uint32(body[4:]))
			s.taken = time.Duration(binary.LittleEndian.Uint64(body[8:]))
		case len(body) == 24 && bytes.HasPrefix(body, []byte("VCSM")):
			s.seq = int64(binary.BigEndian.Uint32(body[8:]))
			s.taken = time.Duration(binary.BigEndian.Uint64(body[12:]))
		}
		if age := mono - s.taken; s.taken > 0 && age > -time.Second && age < 10*time.Minute {
			return s, true
		}
		b = b[2+n:]
	}
	return stamp{}, false
}

// isCard reports whether a part replaces a missing frame: vchat's card or
// µStreamer's NO SIGNAL.
func isCard(header map[string]string) bool {
	return header["x-card"] == "1" || header["x-ustreamer-online"] == "false"
}
