package mjpeg

// CompletedLen is the length of what Complete appends.
func CompletedLen(info Info) int {
	if info.Tables {
		return info.End
	}
	return info.End + len(standardDHT)
}

// Complete appends the frame src, of which Check said info, to dst. Where the frame has no Huffman tables, the
// standard ones are put before its first scan: many UVC cameras leave them out, as AVI files do, and browsers and Go then
// refuse the frame. Everything else is the same byte for byte; padding behind the end is left away.
func Complete(dst, src []byte, info Info) []byte {
	if info.Tables {
		return append(dst, src[:info.End]...)
	}
	dst = append(dst, src[:info.SOS]...)
	dst = append(dst, standardDHT...)
	return append(dst, src[info.SOS:info.End]...)
}

// Comment returns the text of the first comment (COM) before the first scan, or nil. It points into b.
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
