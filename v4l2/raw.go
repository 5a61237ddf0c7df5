package v4l2

// This file computes the sizes of raw frames. In NV12 the chroma plane directly
// follows the luma plane, with the same stride and half the rows ("YUV Formats"
// in the kernel's documentation).

// rowBytes returns the bytes of a row of the first plane without padding; 0 for
// compressed formats.
func (f PixelFormat) rowBytes(width int) int {
	switch f {
	case YUYV:
		return 2 * width
	case NV12, GREY:
		return width
	}
	return 0
}

// frameBytes returns the bytes of a frame whose last row is not padded. It is
// an int64: with an invalid stride the result overflows an int on 32-bit
// machines.
func (f PixelFormat) frameBytes(width, height, stride int) int64 {
	rows := int64(height)
	if f == NV12 {
		rows += (rows + 1) / 2
	}
	return (rows-1)*int64(stride) + int64(f.rowBytes(width))
}

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
