package record

import (
	"os"
	"time"

	"vchat/daemon/client"
	"vchat/daemon/mjpeg"
)

// motion is JPEGs one after the other. It holds no times.
type motion struct{}

func (motion) append(dst []byte, f *client.Frame, _ time.Duration) ([]byte, error) {
	return mjpeg.Orient(dst, f.Data, f.Rotate), nil
}

func (motion) finish(*os.File, int64, time.Duration) error { return nil }
