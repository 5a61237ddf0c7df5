package camera

import (
	"errors"
	"fmt"
	"strings"

	"vchat/daemon/frame"
	"vchat/daemon/mjpeg"
	"vchat/v4l2"
)

// formats are the values of Config.Format. Any other is 0: the driver's best.
var formats = map[string]v4l2.PixelFormat{"mjpeg": v4l2.MJPEG, "yuyv": v4l2.YUYV, "nv12": v4l2.NV12, "grey": v4l2.GREY}

// formatName returns the configuration's word for a format, or else its fourcc
// in lower case.
func formatName(f v4l2.PixelFormat) string {
	for name, g := range formats {
		if f == g {
			return name
		}
	}
	return strings.ToLower(f.String())
}

const (
	rawQuality = 85       // JPEG quality, about that of a camera's own MJPEG
	maxRaw     = 16 << 20 // bytes of YUYV that the peer protocol can send
)

// rawConverter converts a camera's raw frames to JPEG or to YUYV, the one raw
// format of the peer protocol. Two pixels of YUYV share their colour, so an odd
// width loses its last column.
type rawConverter struct {
	mode     v4l2.Mode
	width    int            // of the converted frames
	encoder  *mjpeg.Encoder // nil: frames stay raw
	noColor  []byte         // a row of colour for GREY frames that stay raw
	tooLarge bool           // lz4 was requested, but maxRaw is exceeded
	lossy    bool           // lz4 was requested, but RGB has no exact YUYV
}

// newRawConverter returns the zero value for compressed formats. encoding is
// Config.Raw.
func newRawConverter(m v4l2.Mode, encoding string) (rawConverter, error) {
	if m.Bytes() == 0 {
		return rawConverter{}, nil
	}
	r := rawConverter{mode: m, width: m.Width &^ 1}
	r.tooLarge = encoding == "lz4" && int64(r.width)*int64(m.Height)*2 > maxRaw
	r.lossy = encoding == "lz4" && isRGB(m.Format)
	if encoding != "lz4" || r.tooLarge || r.lossy {
		r.encoder = mjpeg.NewEncoder(rawQuality)
	}
	switch {
	case m.Format == v4l2.GREY && r.encoder != nil:
		r.width = m.Width
	case m.Format == v4l2.GREY:
		r.noColor = make([]byte, r.width)
		for i := range r.noColor {
			r.noColor[i] = 128
		}
	}
	if r.width == 0 {
		return rawConverter{}, errors.New("frames are less than 2 pixels wide")
	}
	return r, nil
}

// warnings returns how the format differs from the requested one, which is
// MJPEG for auto.
func (r *rawConverter) warnings(device, requested string) []error {
	f, ok := formats[requested]
	if !ok {
		f = v4l2.MJPEG
	}
	upper := func(f v4l2.PixelFormat) string { return strings.ToUpper(formatName(f)) }
	want, has := upper(f), upper(r.mode.Format)
	var all []error
	switch {
	case r.mode.Bytes() == 0 && f != v4l2.MJPEG:
		all = append(all, fmt.Errorf("%s has no %s; using MJPEG", device, strings.ToUpper(requested)))
	case r.mode.Bytes() > 0 && f != r.mode.Format && r.encoder != nil:
		all = append(all, fmt.Errorf("%s has no %s; encoding its %s frames as JPEG", device, want, has))
	case r.mode.Bytes() > 0 && f != r.mode.Format:
		all = append(all, fmt.Errorf("%s has no %s; sending its %s frames without loss", device, want, has))
	}
	if r.tooLarge {
		all = append(all, fmt.Errorf("frames of %dx%d are too large to send without loss; encoding them as JPEG",
			r.width, r.mode.Height))
	}
	if r.lossy {
		all = append(all, fmt.Errorf("%s frames cannot be sent without loss; encoding them as JPEG", has))
	}
	return all
}

func isRGB(f v4l2.PixelFormat) bool { return f == v4l2.RGB24 || f == v4l2.BGR24 }

// samples locates the components of a frame, and reports whether the rows of
// Cb and Cr are half of those of Y.
func samples(m v4l2.Mode, b []byte) (y, cb, cr mjpeg.Samples, halfRows bool) {
	p, stride, chroma := m.Planes(b)
	of := func(b []byte, step, stride int) mjpeg.Samples {
		return mjpeg.Samples{Data: b, Step: step, Stride: stride}
	}
	packed := func(y, cb, cr int) (mjpeg.Samples, mjpeg.Samples, mjpeg.Samples, bool) {
		return of(b[y:], 2, stride), of(b[cb:], 4, stride), of(b[cr:], 4, stride), false
	}
	switch m.Format {
	case v4l2.UYVY:
		return packed(1, 0, 2)
	case v4l2.YVYU:
		return packed(0, 3, 1)
	case v4l2.VYUY:
		return packed(1, 2, 0)
	case v4l2.NV12, v4l2.NV16:
		return of(p[0], 1, stride), of(p[1], 2, chroma), of(p[1][1:], 2, chroma), m.Format == v4l2.NV12
	case v4l2.NV21, v4l2.NV61:
		return of(p[0], 1, stride), of(p[1][1:], 2, chroma), of(p[1], 2, chroma), m.Format == v4l2.NV21
	case v4l2.YU12, v4l2.YUV422P:
		return of(p[0], 1, stride), of(p[1], 1, chroma), of(p[2], 1, chroma), m.Format == v4l2.YU12
	case v4l2.YV12:
		return of(p[0], 1, stride), of(p[2], 1, chroma), of(p[1], 1, chroma), true
	}
	return packed(0, 1, 3) // YUYV
}

// convert copies a frame out of the driver's buffer as JPEG or YUYV.
func (r *rawConverter) convert(pool *frame.Pool, b []byte) (*frame.Frame, defect) {
	if len(b) < r.mode.Bytes() {
		return nil, defectTruncated
	}
	if r.encoder == nil {
		return r.convertYUYV(pool, b), 0
	}
	w, h, stride := r.width, r.mode.Height, r.mode.Stride
	f := pool.Get(w * h / 4)
	var err error
	switch f.Data = f.Data[:0]; r.mode.Format { // it may grow
	case v4l2.NV12:
		f.Data, err = r.encoder.EncodeNV12(f.Data, b, w, h, stride)
	case v4l2.GREY:
		f.Data, err = r.encoder.EncodeGrey(f.Data, b, w, h, stride)
	case v4l2.YUYV:
		f.Data, err = r.encoder.EncodeYUYV(f.Data, b, w, h, stride)
	case v4l2.RGB24, v4l2.BGR24:
		f.Data, err = r.encoder.EncodeRGB(f.Data, b, w, h, stride, r.mode.Format == v4l2.BGR24)
	default:
		y, cb, cr, halfRows := samples(r.mode, b)
		f.Data, err = r.encoder.EncodeSamples(f.Data, y, cb, cr, w, h, halfRows)
	}
	if err != nil {
		f.Release()
		return nil, defectTruncated
	}
	f.Format, f.Width, f.Height = frame.JPEG, w, h
	return f, 0
}

// convertYUYV returns a YUYV frame. In NV12, two rows share one line of colour.
func (r *rawConverter) convertYUYV(pool *frame.Pool, b []byte) *frame.Frame {
	w, h, stride := r.width, r.mode.Height, r.mode.Stride
	f := pool.Get(2 * w * h)
	for y := range h {
		dst, row := f.Data[2*w*y:2*w*(y+1)], b[stride*y:]
		switch r.mode.Format {
		case v4l2.NV12:
			interleave(dst, row, b[stride*(h+y/2):])
		case v4l2.GREY:
			interleave(dst, row, r.noColor)
		case v4l2.YUYV:
			copy(dst, row)
		}
	}
	switch r.mode.Format {
	case v4l2.YUYV, v4l2.NV12, v4l2.GREY:
	default:
		r.packYUYV(f.Data, b)
	}
	f.Format, f.Width, f.Height = frame.YUYV, w, h
	return f
}

// packYUYV copies the samples of any format to dst.
func (r *rawConverter) packYUYV(dst, b []byte) {
	luma, cb, cr, halfRows := samples(r.mode, b)
	for y := range r.mode.Height {
		line := y
		if halfRows {
			line = y / 2
		}
		row, ys := dst[2*r.width*y:2*r.width*(y+1)], luma.Data[y*luma.Stride:]
		cbs, crs := cb.Data[line*cb.Stride:], cr.Data[line*cr.Stride:]
		for i, j, k := 0, 0, 0; i+3 < len(row); i, j, k = i+4, j+2*luma.Step, k+cb.Step {
			row[i], row[i+1], row[i+2], row[i+3] = ys[j], cbs[k], ys[j+luma.Step], crs[k]
		}
	}
}

// interleave fills dst with bytes of a and b in turn. A version with 64-bit
// words is not faster.
func interleave(dst, a, b []byte) {
	n := len(dst) / 2
	a, b = a[:n], b[:n]
	for i := range a {
		dst[2*i], dst[2*i+1] = a[i], b[i]
	}
}
