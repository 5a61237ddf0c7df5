package testcard

import "time"

// The stamp is a JPEG comment. It identifies the frame wherever it arrives, so
// loss and delay can be measured. Both numbers have 20 decimal digits. captured
// is nanoseconds of the sender's CLOCK_MONOTONIC.
//
//	vchat-test seq=00000000000000000042 captured=00000000012345678901
const (
	stampSeq      = "vchat-test seq="
	stampCaptured = " captured="
	stampDigits   = 20
	stampLen      = len(stampSeq) + len(stampCaptured) + 2*stampDigits
)

// putStamp writes a stamp of stampLen bytes.
func putStamp(b []byte, seq uint64, captured time.Duration) {
	n := copy(b, stampSeq)
	putDigits(b[n:n+stampDigits], seq)
	n += stampDigits
	n += copy(b[n:], stampCaptured)
	putDigits(b[n:n+stampDigits], uint64(captured))
}

// putDigits fills b with the last decimal digits of n.
func putDigits(b []byte, n uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = '0' + byte(n%10)
		n /= 10
	}
}
