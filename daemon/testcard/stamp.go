package testcard

import "time"

// Every frame of the test camera says in a JPEG comment which it is and when it was made, so that loss and delay can be
// measured wherever it arrives: two decimal numbers of 20 digits, the second in nanoseconds of the maker's CLOCK_MONOTONIC.
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

// putDigits fills b with the last digits of n.
func putDigits(b []byte, n uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = '0' + byte(n%10)
		n /= 10
	}
}
