package testframe

import "encoding/binary"

const (
	markerDHT = 0xc4
	markerSOS = 0xda
)

// WithoutTables returns a copy of the JPEG without its Huffman tables (DHT).
// Many cheap cameras send such frames, and expect the receiver to use the
// tables of the standard. The stills are encoded with those tables.
func WithoutTables(jpg []byte) []byte {
	out := make([]byte, 0, len(jpg))
	kept := segments(jpg, func(marker byte, segment []byte) {
		if marker != markerDHT {
			out = append(out, segment...)
		}
	})
	return append(out, jpg[kept:]...)
}

// segments calls visit for SOI and for each segment before the first scan. It
// returns the offset of the rest.
func segments(jpg []byte, visit func(marker byte, segment []byte)) int {
	if len(jpg) < 2 {
		return 0
	}
	visit(jpg[1], jpg[:2])
	i := 2
	for i+4 <= len(jpg) && jpg[i] == 0xff && jpg[i+1] != markerSOS {
		n := 2 + int(binary.BigEndian.Uint16(jpg[i+2:]))
		if i+n > len(jpg) {
			break
		}
		visit(jpg[i+1], jpg[i:i+n])
		i += n
	}
	return i
}
