package v4l2

import "errors"

// ResetUSB resets the USB device that the camera belongs to, as pulling it out and plugging it in would: its nodes go and come back.
// Close the Camera first, or the node comes back under another number.
//
// The errors: ErrNotUSB; ErrPermission, which says what is missing; ErrNotFound, ErrUnplugged, ErrFailed.
func ResetUSB(k Kernel, device Device) error {
	return errors.ErrUnsupported
}
