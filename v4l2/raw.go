package v4l2

// This file computes the sizes of raw frames, by "YUV Formats" in the kernel's
// documentation: all planes follow each other without a gap. An interleaved
// chroma plane has the stride of the Y plane, a separate one half of it.

// rawLayout describes a raw format.
type rawLayout struct {
	pixelBytes   int  // of a pixel in the first plane
	chromaPlanes int  // after the first plane
	halfRows     bool // in the chroma planes: 4:2:0
}

var rawLayouts = map[PixelFormat]rawLayout{
	YUYV: {2, 0, false}, UYVY: {2, 0, false}, YVYU: {2, 0, false}, VYUY: {2, 0, false},
	NV12: {1, 1, true}, NV21: {1, 1, true}, NV16: {1, 1, false}, NV61: {1, 1, false},
	YU12: {1, 2, true}, YV12: {1, 2, true}, YUV422P: {1, 2, false},
	RGB24: {3, 0, false}, BGR24: {3, 0, false}, GREY: {1, 0, false},
}

// rowBytes returns the bytes of a row of the first plane without padding; 0 for
// compressed formats.
func (f PixelFormat) rowBytes(width int) int { return rawLayouts[f].pixelBytes * width }

// frameBytes returns the bytes of a frame whose last row is not padded. It is
// an int64: with an invalid stride the result overflows an int on 32-bit
// machines.
func (f PixelFormat) frameBytes(width, height, stride int) int64 {
	l, w, h, s := rawLayouts[f], int64(width), int64(height), int64(stride)
	chromaRows := h
	if l.halfRows {
		chromaRows = (h + 1) / 2
	}
	switch l.chromaPlanes {
	case 1:
		return (h+chromaRows-1)*s + w
	case 2:
		return h*s + (2*chromaRows-1)*int64(chromaStride(stride)) + (w+1)/2
	}
	return (h-1)*s + int64(f.rowBytes(width))
}

// chromaStride returns the stride of a separate chroma plane.
func chromaStride(stride int) int { return (stride + 1) / 2 }

// stride returns the driver's bytesperline if it is plausible, else rowBytes; 0
// for compressed formats. Some drivers leave bytesperline 0 or as it was for
// another format. If it does not fit sizeimage, every frame would look
// truncated.
func (f PixelFormat) stride(width, height int, bytesPerLine, sizeImage uint32) int {
	row := f.rowBytes(width)
	reported := int(bytesPerLine)
	fits := sizeImage == 0 || f.frameBytes(width, height, reported) <= int64(sizeImage)
	if row > 0 && reported > row && fits {
		return reported
	}
	return row
}

// Bytes returns the minimum size of a raw frame in bytes; 0 for compressed
// formats. A Buffer with fewer bytes has Error set, so readers of the others
// can index all rows.
func (m Mode) Bytes() int {
	if m.Stride == 0 {
		return 0
	}
	return int(m.Format.frameBytes(m.Width, m.Height, m.Stride))
}

// Planes returns the planes of a raw frame of at least Bytes bytes, and the
// strides of the first plane and of the others. Formats without the second or
// third plane return nil for it.
func (m Mode) Planes(b []byte) (planes [3][]byte, stride, chroma int) {
	l, rows := rawLayouts[m.Format], m.Height
	if l.halfRows {
		rows = (rows + 1) / 2
	}
	planes[0] = b
	switch at := m.Stride * m.Height; l.chromaPlanes {
	case 1:
		planes[1], chroma = b[at:], m.Stride
	case 2:
		chroma = chromaStride(m.Stride)
		planes[1], planes[2] = b[at:], b[at+rows*chroma:]
	}
	return planes, m.Stride, chroma
}
