//go:build vm

package vmtest

import (
	"path/filepath"
	"testing"
)

// TestV4L2Suite runs the suite of package v4l2 with the kernel's uvcvideo, as
// an ordinary user of the group video.
func TestV4L2Suite(t *testing.T) {
	if err := runGo("test", "-c", "-o", filepath.Join(shareDir, "v4l2.test"), "vchat/v4l2"); err != nil {
		t.Fatal(err)
	}
	plugIn(t, alicesCamera)
	t.Log(sh(t, "install -m755 /mnt/host/v4l2.test /usr/local/bin && cd / && runuser -u tester -- env "+
		"VCHAT_TEST_CAMERA="+alicesCamera.node()+" VCHAT_TEST_CAMERA_CTL='"+alicesCamera.script("")+"' "+
		"v4l2.test -test.v -test.timeout 80s -test.run RealCamera 2>&1"))
}
