// Package teststamp reads the stamps on the frames of the test camera, so that
// tests can measure loss and delay.
package teststamp

import (
	"bytes"
	"strconv"
	"time"

	"vchat/daemon/mjpeg"
)

const (
	stampPrefix   = "vchat-test seq="
	capturedField = " captured="
	digitCount    = 20
)

// Parse returns the sequence number and the capture time of a frame of the
// test camera. The time is CLOCK_MONOTONIC of the sender. ok is false if the
// frame has no stamp.
func Parse(jpeg []byte) (seq uint64, at time.Duration, ok bool) {
	b, isStamp := bytes.CutPrefix(mjpeg.Comment(jpeg), []byte(stampPrefix))
	if !isStamp || len(b) != digitCount+len(capturedField)+digitCount {
		return 0, 0, false
	}
	when, isStamp := bytes.CutPrefix(b[digitCount:], []byte(capturedField))
	seq, err := strconv.ParseUint(string(b[:digitCount]), 10, 64)
	ns, err2 := strconv.ParseInt(string(when), 10, 64)
	return seq, time.Duration(ns), isStamp && err == nil && err2 == nil
}
