package record

import (
	"os"
	"time"

	"vchat/daemon/client"
	"vchat/daemon/mjpeg"
)

// motionJPEG is a sequence of JPEG images. It holds no times. Each image begins
// with a JFIF segment, by which players recognise the file.
type motionJPEG struct {
	buf []byte // an image before its rotation
}

func (m *motionJPEG) appendFrame(dst []byte, f *client.Frame, _ time.Duration) ([]byte, error) {
	m.buf = mjpeg.AppendJFIF(m.buf[:0], f.Data)
	return mjpeg.Orient(dst, m.buf, f.Rotate), nil
}

func (m *motionJPEG) finish(*os.File, int64, time.Duration) error { return nil }
