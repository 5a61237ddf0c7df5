package camera

import (
	"errors"
	"fmt"
	"strings"

	"vchat/daemon/frame"
	"vchat/daemon/mjpeg"
	"vchat/v4l2"
)

// formats are the words of the configuration for what a camera gives; any other is 0, the driver's best.
var formats = map[string]v4l2.PixelFormat{"mjpeg": v4l2.MJPEG, "yuyv": v4l2.YUYV, "nv12": v4l2.NV12, "grey": v4l2.GREY}

func formatName(f v4l2.PixelFormat) string {
	for name, g := range formats {
		if f == g {
			return name
		}
	}
	return ""
}

const (
	rawQuality = 85 // as JPEG: a camera's own MJPEG is about as good
	// maxRaw is what the peer protocol has room for, in bytes of YUYV.
	maxRaw = 16 << 20
)

// raw makes frames of a camera's raw frames: JPEG, or YUYV, which is the one raw format on the wire. Colour comes in pairs of
// pixels there, so what is odd loses its last column.
type raw struct {
	mode     v4l2.Mode
	width    int            // of the frames
	encoder  *mjpeg.Encoder // nil: they stay raw
	grey     []byte         // a row of no colour, for GREY that stays raw
	tooLarge bool           // to stay raw, though that was asked for
}

// newRaw is the zero value for compressed frames.
func newRaw(m v4l2.Mode, what string) (raw, error) {
	if m.Bytes() == 0 {
		return raw{}, nil
	}
	r := raw{mode: m, width: m.Width &^ 1}
	r.tooLarge = what == "lz4" && int64(r.width)*int64(m.Height)*2 > maxRaw
	if what != "lz4" || r.tooLarge {
		r.encoder = mjpeg.NewEncoder(rawQuality)
	}
	switch {
	case m.Format == v4l2.GREY && r.encoder != nil:
		r.width = m.Width
	case m.Format == v4l2.GREY:
		r.grey = make([]byte, r.width)
		for i := range r.grey {
			r.grey[i] = 128
		}
	}
	if r.width == 0 {
		return raw{}, errors.New("its frames are too narrow to be shown")
	}
	return r, nil
}

// warnings say what becomes of frames if they are not of the format that was asked for, which for auto is MJPEG.
func (r *raw) warnings(device, asked string) []error {
	f, ok := formats[asked]
	if !ok {
		f = v4l2.MJPEG
	}
	is, becomes := strings.ToUpper(formatName(r.mode.Format)), "sent without loss"
	if r.encoder != nil {
		becomes = "encoded here"
	}
	var all []error
	switch {
	case r.mode.Bytes() == 0 && f != v4l2.MJPEG:
		all = append(all, fmt.Errorf("%s gives no %s; its MJPEG frames are taken", device, strings.ToUpper(asked)))
	case r.mode.Bytes() > 0 && f != r.mode.Format:
		all = append(all, fmt.Errorf("%s gives no %s; its %s frames are %s", device, strings.ToUpper(formatName(f)), is, becomes))
	}
	if r.tooLarge {
		all = append(all, fmt.Errorf("frames of %dx%d are too large to be sent without loss; they are encoded here", r.width, r.mode.Height))
	}
	return all
}

// take copies a frame out of the driver's buffer, encoding it or making it YUYV on the way.
func (r *raw) take(pool *frame.Pool, b []byte) (*frame.Frame, defect) {
	if r.encoder == nil {
		return r.pack(pool, b), 0
	}
	w, h, stride := r.width, r.mode.Height, r.mode.Stride
	f := pool.Get(w * h / 4)
	var err error
	switch f.Data = f.Data[:0]; r.mode.Format { // it may grow
	case v4l2.NV12:
		f.Data, err = r.encoder.EncodeNV12(f.Data, b, w, h, stride)
	case v4l2.GREY:
		f.Data, err = r.encoder.EncodeGrey(f.Data, b, w, h, stride)
	default:
		f.Data, err = r.encoder.EncodeYUYV(f.Data, b, w, h, stride)
	}
	if err != nil {
		f.Release()
		return nil, truncated
	}
	f.Format, f.Width, f.Height = frame.JPEG, w, h
	return f, 0
}

// pack makes a YUYV frame. Each line of NV12's colour is that of two rows.
func (r *raw) pack(pool *frame.Pool, b []byte) *frame.Frame {
	w, h, stride := r.width, r.mode.Height, r.mode.Stride
	f := pool.Get(2 * w * h)
	for y := range h {
		dst, row := f.Data[2*w*y:2*w*(y+1)], b[stride*y:]
		switch r.mode.Format {
		case v4l2.NV12:
			weave(dst, row, b[stride*(h+y/2):])
		case v4l2.GREY:
			weave(dst, row, r.grey)
		default:
			copy(dst, row)
		}
	}
	f.Format, f.Width, f.Height = frame.YUYV, w, h
	return f
}

// weave fills dst with a byte of a and a byte of b in turn. Eight at a time in a word of 64 bits would not be faster.
func weave(dst, a, b []byte) {
	n := len(dst) / 2
	a, b = a[:n], b[:n]
	for i := range a {
		dst[2*i], dst[2*i+1] = a[i], b[i]
	}
}
