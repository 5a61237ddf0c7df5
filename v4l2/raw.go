package v4l2

// Raw formats: how many bytes their frames have. As the kernel's documentation has it ("YUV Formats"), the chroma plane of NV12
// follows its luma plane at once, with as many bytes a row and half as many rows.

// row is how many bytes a row has without padding, of the luma plane if there are two; 0 for compressed formats.
func (f PixelFormat) row(width int) int {
	switch f {
	case YUYV:
		return 2 * width
	case NV12, GREY:
		return width
	}
	return 0
}

// size is how many bytes a frame has if a row takes stride bytes and the last one need not be padded. In 64 bits: an absurd
// stride is more than an int holds on 32-bit machines.
func (f PixelFormat) size(width, height, stride int) int64 {
	rows := int64(height)
	if f == NV12 {
		rows += (rows + 1) / 2
	}
	return (rows-1)*int64(stride) + int64(f.row(width))
}

// stride is the driver's bytesperline, 0 for compressed formats. It is not believed if that cannot be: some leave it 0 or as it was
// for another format, and with rows that have no place in sizeimage every frame would count as cut off.
func (f PixelFormat) stride(width, height int, bytesPerLine, sizeImage uint32) int {
	row := f.row(width)
	if told := int(bytesPerLine); row > 0 && told > row && (sizeImage == 0 || f.size(width, height, told) <= int64(sizeImage)) {
		return told
	}
	return row
}

// Bytes is how many bytes a raw frame has at least; 0 for compressed ones. A Buffer with fewer has Error set, so that readers of
// others may index rows without looking.
func (m Mode) Bytes() int {
	if m.Stride == 0 {
		return 0
	}
	return int(m.Format.size(m.Width, m.Height, m.Stride))
}
