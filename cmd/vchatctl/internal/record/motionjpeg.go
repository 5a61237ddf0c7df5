package record

import (
	"os"
	"time"

	"vchat/daemon/client"
	"vchat/daemon/mjpeg"
)

// motionJPEG is a sequence of JPEG images. It holds no times.
type motionJPEG struct{}

func (motionJPEG) appendFrame(dst []byte, f *client.Frame, _ time.Duration) ([]byte, error) {
	return mjpeg.Orient(dst, f.Data, f.Rotate), nil
}

func (motionJPEG) finish(*os.File, int64, time.Duration) error { return nil }
