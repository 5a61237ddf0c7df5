package mjpeg

// CompletedLen returns the number of bytes that Complete appends.
func CompletedLen(info Info) int {
	n := info.End - info.Start - info.junk
	if !info.Tables {
		n += len(standardDHT)
	}
	if info.noEOI {
		n += 2
	}
	return n
}

// Complete appends the frame src to dst; info is Check's result for it. A frame
// without Huffman tables gets the standard ones before its first scan: many UVC
// cameras omit them, as AVI files do, and browsers and Go reject such frames. A
// missing EOI is added. Bytes before the frame, between its segments and after
// its end are dropped. All other bytes are copied unchanged.
func Complete(dst, src []byte, info Info) []byte {
	if info.junk == 0 {
		dst = append(dst, src[info.Start:info.SOS]...)
	} else {
		dst = appendSegments(dst, src[info.Start:info.SOS])
	}
	if !info.Tables {
		dst = append(dst, standardDHT...)
	}
	dst = append(dst, src[info.SOS:info.End]...)
	if info.noEOI {
		dst = AppendEnd(dst)
	}
	return dst
}

// appendSegments appends SOI and the segments of header without the bytes
// between them. Check has accepted the header.
func appendSegments(dst, header []byte) []byte {
	dst = append(dst, header[:2]...)
	for pos, junk := 2, false; pos+4 <= len(header); {
		end := pos + 1
		switch isMarker := header[pos] == 0xFF; {
		case isMarker && hasLength(header[pos+1]):
			end += 1 + int(header[pos+2])<<8 + int(header[pos+3])
			junk = false
		case isMarker && header[pos+1] == 0xFF: // fill, B.1.1.2
		default:
			junk = true
		}
		if !junk {
			dst = append(dst, header[pos:end]...)
		}
		pos = end
	}
	return dst
}

// Comment returns the first comment (COM) before the first scan, or nil. It is
// a slice of b.
func Comment(b []byte) []byte {
	for pos := 2; pos+4 <= len(b) && b[pos] == 0xFF && hasLength(b[pos+1]) && b[pos+1] != mSOS; {
		end := pos + 2 + (int(b[pos+2])<<8 | int(b[pos+3]))
		if end < pos+4 || end > len(b) {
			return nil
		}
		if b[pos+1] == mCOM {
			return b[pos+4 : end]
		}
		pos = end
	}
	return nil
}
