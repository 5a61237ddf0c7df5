package mjpeg

import "bytes"

// jfifSegment is JFIF 1.01 without density. Decoders then assume full-range
// BT.601.
var jfifSegment = []byte{0xFF, mAPP0, 0, 16, 'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0}

func isJFIF(segment []byte) bool {
	return segment[1] == mAPP0 && bytes.HasPrefix(segment[4:], []byte("JFIF\x00"))
}

// isAdobe reports whether a segment is Adobe's; its color transform is at
// adobeTransform.
func isAdobe(segment []byte) bool {
	return segment[1] == mAPP0+14 && len(segment) > adobeTransform && bytes.HasPrefix(segment[4:], []byte("Adobe"))
}

const adobeTransform = 4 + 11

// AppendJFIF appends to dst the frame src with a JFIF segment first. Players
// identify a stream of frames by it; many cameras write "AVI1" instead. All
// other bytes stay. A frame that has other colours than JFIF's, and one that
// does not begin like a JPEG, is copied unchanged. It allocates nothing if dst
// has room for len(src)+18.
func AppendJFIF(dst, src []byte) []byte {
	segment := jfifSegment
	at := len(src) // of an existing segment
	for pos, end := range headerSegments(src) {
		switch s := src[pos:end]; {
		case isJFIF(s) && pos == 2:
			return append(dst, src...)
		case isJFIF(s) && at == len(src):
			segment, at = s, pos
		case isAdobe(s) && s[adobeTransform] != 1 || s[1] >= mSOF0 && s[1] <= mSOF2 && !isYCbCr(s):
			return append(dst, src...)
		}
	}
	if len(src) < 2 || src[0] != 0xFF || src[1] != mSOI {
		return append(dst, src...)
	}
	dst = append(dst, src[:2]...)
	dst = append(dst, segment...)
	dst = append(dst, src[2:at]...)
	if at < len(src) {
		dst = append(dst, src[at+len(segment):]...)
	}
	return dst
}

// isYCbCr reports whether a frame header has components that JFIF can have.
func isYCbCr(sof []byte) bool {
	n := len(sof) - 10
	return n == 3 || n == 9 && (sof[10] != 'R' || sof[13] != 'G' || sof[16] != 'B')
}

// headerSegments yields the start and end of each segment before the first
// scan. It skips fill bytes.
func headerSegments(b []byte) func(yield func(start, end int) bool) {
	return func(yield func(start, end int) bool) {
		if len(b) < 2 || b[0] != 0xFF || b[1] != mSOI {
			return
		}
		for pos := 2; len(b)-pos >= 4 && b[pos] == 0xFF; {
			m := b[pos+1]
			if m == 0xFF { // fill, B.1.1.2
				pos++
				continue
			}
			end := pos + 2 + int(b[pos+2])<<8 + int(b[pos+3])
			if !hasLength(m) || m == mSOS || end < pos+4 || end > len(b) || !yield(pos, end) {
				return
			}
			pos = end
		}
	}
}
