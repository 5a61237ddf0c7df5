package view

import (
	"bytes"
	"image"
	"image/jpeg"
	"time"

	"vchat/daemon/mjpeg"
)

const (
	// progressiveInterval is the least time between two progressive frames.
	// They take several times as long to decode as others.
	progressiveInterval = 200 * time.Millisecond
	// maxProgressive limits the size in pixels, since decoding takes 6 bytes of
	// memory for each.
	maxProgressive = 3840 * 2160
)

// progressivePause returns how long to wait after a progressive frame that took
// this long to decode. It uses at most half a processor.
func progressivePause(took time.Duration) time.Duration {
	return max(progressiveInterval-took, took)
}

// decodeProgressive decodes a progressive frame, or returns nil. mjpeg decodes
// all others that cameras send.
func decodeProgressive(data []byte) *mjpeg.Planes {
	info, err := mjpeg.Check(data)
	if err != nil || info.Width*info.Height > maxProgressive {
		return nil
	}
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return nil
	}
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	switch img := img.(type) {
	case *image.Gray:
		return &mjpeg.Planes{W: w, H: h, Y: img.Pix, YStride: img.Stride, SubX: 1, SubY: 1}
	case *image.YCbCr:
		p := &mjpeg.Planes{W: w, H: h, Y: img.Y, Cb: img.Cb, Cr: img.Cr, YStride: img.YStride, CStride: img.CStride}
		p.SubX, p.SubY = subsampling(img.SubsampleRatio)
		return p
	}
	return nil
}

// subsampling returns the number of pixels across and down per chroma sample.
func subsampling(r image.YCbCrSubsampleRatio) (x, y int) {
	switch r {
	case image.YCbCrSubsampleRatio422:
		return 2, 1
	case image.YCbCrSubsampleRatio420:
		return 2, 2
	case image.YCbCrSubsampleRatio440:
		return 1, 2
	case image.YCbCrSubsampleRatio411:
		return 4, 1
	case image.YCbCrSubsampleRatio410:
		return 4, 2
	}
	return 1, 1
}
