package mjpeg

import "bytes"

// Orient appends to dst the frame src with the EXIF tag that says it is to be shown turned by so many degrees clockwise: 90,
// 180 or 270. What it has of EXIF otherwise is left out; its coefficients are not touched. With any other angle, and where src
// does not begin like a JPEG, the copy is as src is. It allocates nothing if dst has room for 36 bytes more than src.
func Orient(dst, src []byte, degrees int) []byte {
	turned := orientation(degrees)
	if turned == 0 || len(src) < 4 || src[0] != 0xFF || src[1] != mSOI {
		return append(dst, src...)
	}
	// JFIF wants its segment to be the first, and EXIF wants the same. Readers take EXIF behind JFIF, and look no further than
	// the application segments.
	dst = append(dst, src[:2]...)
	pos, written := 2, false
	for len(src)-pos >= 4 && src[pos] == 0xFF && src[pos+1]&0xF0 == mAPP0 {
		end := pos + 2 + int(src[pos+2])<<8 + int(src[pos+3])
		if end < pos+4 || end > len(src) {
			break
		}
		segment := src[pos:end]
		if !written && segment[1] != mAPP0 {
			dst, written = appendOrientation(dst, turned), true
		}
		if !isEXIF(segment) {
			dst = append(dst, segment...)
		}
		pos = end
	}
	if !written {
		dst = appendOrientation(dst, turned)
	}
	return append(dst, src[pos:]...)
}

// orientation is the value of the tag, EXIF 2.3, 4.6.4 A.
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

// appendOrientation appends an APP1 segment: a TIFF header and a directory of one entry.
func appendOrientation(dst []byte, turned byte) []byte {
	dst = append(dst, 0xFF, mAPP0+1, 0, 34)
	dst = append(dst, "Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08"...)
	dst = append(dst, 0, 1) // entries
	// Tag 0x0112, a SHORT, one of them, its value.
	dst = append(dst, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, turned, 0, 0)
	return append(dst, 0, 0, 0, 0) // no further directory
}
