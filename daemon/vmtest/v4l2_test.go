//go:build vm

package vmtest

import (
	"path/filepath"
	"testing"
)

// TestV4L2Suite runs the suite of package v4l2 on the kernel's uvcvideo, as an ordinary user who may use cameras.
func TestV4L2Suite(t *testing.T) {
	if err := runGo("test", "-c", "-o", filepath.Join(share, "v4l2.test"), "vchat/v4l2"); err != nil {
		t.Fatal(err)
	}
	plugIn(t, alicesCamera)
	t.Log(sh(t, "install -m755 /mnt/host/v4l2.test /usr/local/bin && cd / && runuser -u tester -- env "+
		"VCHAT_TEST_CAMERA="+alicesCamera.node()+" VCHAT_TEST_CAMERA_CTL='uvcsim ctl -socket /run/uvcsim-alice.sock' "+
		"v4l2.test -test.v -test.timeout 80s -test.run RealCamera 2>&1"))
}
