package mjpeg

import "bytes"

// Orient appends to dst the frame src with an EXIF tag that makes viewers turn
// it by degrees clockwise: 90, 180 or 270. It drops all other EXIF data, and
// leaves the coefficients alone. With any other angle, or if src does not begin
// like a JPEG, the copy is unchanged. It allocates nothing if dst has room for
// len(src)+36.
func Orient(dst, src []byte, degrees int) []byte {
	turned := orientation(degrees)
	if turned == 0 || len(src) < 4 || src[0] != 0xFF || src[1] != mSOI {
		return append(dst, src...)
	}
	// JFIF and EXIF both require to be the first segment. Readers accept EXIF
	// after JFIF, and some stop after the application segments.
	dst = append(dst, src[:2]...)
	pos, written := 2, false
	for start, end := range headerSegments(src) {
		segment := src[start:end]
		if !written && segment[1] != mAPP0 {
			dst, written = appendOrientation(dst, turned), true
		}
		if !isEXIF(segment) {
			dst = append(dst, src[pos:end]...) // with fill bytes
		}
		pos = end
	}
	if !written {
		dst = appendOrientation(dst, turned)
	}
	return append(dst, src[pos:]...)
}

// orientation returns the value of the Orientation tag, EXIF 2.3, 4.6.4 A; 0 if
// none is needed.
func orientation(degrees int) byte {
	switch degrees {
	case 90:
		return 6
	case 180:
		return 3
	case 270:
		return 8
	}
	return 0
}

func isEXIF(segment []byte) bool {
	return segment[1] == mAPP0+1 && bytes.HasPrefix(segment[4:], []byte("Exif\x00\x00"))
}

// appendOrientation appends an APP1 segment with a TIFF header and a directory
// of one entry.
func appendOrientation(dst []byte, turned byte) []byte {
	dst = append(dst, 0xFF, mAPP0+1, 0, 34)
	dst = append(dst, "Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08"...)
	dst = append(dst, 0, 1) // entries
	// Tag 0x0112, type SHORT, count 1, value.
	dst = append(dst, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, turned, 0, 0)
	return append(dst, 0, 0, 0, 0) // no next directory
}
