package mjpeg

// CompletedLen returns the number of bytes that Complete appends.
func CompletedLen(info Info) int {
	if info.Tables {
		return info.End
	}
	return info.End + len(standardDHT)
}

// Complete appends the frame src to dst; info is Check's result for it. A frame
// without Huffman tables gets the standard ones before its first scan: many UVC
// cameras omit them, as AVI files do, and browsers and Go reject such frames.
// Padding after the end is dropped. All other bytes are copied unchanged.
func Complete(dst, src []byte, info Info) []byte {
	if info.Tables {
		return append(dst, src[:info.End]...)
	}
	dst = append(dst, src[:info.SOS]...)
	dst = append(dst, standardDHT...)
	return append(dst, src[info.SOS:info.End]...)
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
