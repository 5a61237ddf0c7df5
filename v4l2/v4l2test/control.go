package v4l2test

import (
	"encoding/binary"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"vchat/v4l2/internal/uapi"
)

const (
	autoExposure = 0x009a0901
	exposureTime = 0x009a0902
)

// controlType returns the type of uapi.
func (c Control) controlType() uint32 {
	switch {
	case c.Type != 0:
		return c.Type
	case c.Boolean:
		return uapi.CtrlTypeBoolean
	case c.Menu != nil:
		return uapi.CtrlTypeMenu
	}
	return uapi.CtrlTypeInteger
}

// inactive reports whether an automatic control overrides this one.
func (c *Camera) inactive(id uint32) bool {
	auto, ok := c.control[autoExposure]
	return ok && id == exposureTime && auto != 1
}

func (h *handle) QueryControl(q *uapi.QueryExtCtrl) error {
	defer h.unlock()
	if err := h.lock(); err != nil {
		return err
	}
	cam := h.node.cam
	cam.kernel.counts.Controls++
	all := slices.Clone(cam.device.Controls)
	next, id := q.ID&uapi.CtrlFlagNextCtrl != 0, q.ID&^uapi.CtrlFlagNextCtrl
	slices.SortFunc(all, func(a, b Control) int { return int(a.ID) - int(b.ID) })
	for _, c := range all {
		if next && c.ID <= id || !next && c.ID != id {
			continue
		}
		*q = uapi.QueryExtCtrl{ID: c.ID, Type: c.controlType(), Name: bytes32(c.Name), Flags: c.Flags,
			Minimum: int64(c.Min), Maximum: int64(c.Max), Step: 1, Default: int64(c.Value)}
		if cam.inactive(c.ID) && !cam.faults.NoInactive {
			q.Flags |= uapi.CtrlFlagInactive
		}
		return nil
	}
	return unix.EINVAL
}

func (h *handle) QueryMenu(m *uapi.QueryMenu) error {
	defer h.unlock()
	if err := h.lock(); err != nil {
		return err
	}
	c, ok := h.node.cam.find(m.ID)
	name, has := c.Menu[int32(m.Index)]
	if !ok || !has {
		return unix.EINVAL
	}
	m.Name = bytes32(name)
	if c.controlType() == uapi.CtrlTypeIntegerMenu {
		n, err := strconv.ParseInt(name, 10, 64)
		if err != nil {
			panic("v4l2test: menu entry of an integer menu: " + err.Error())
		}
		binary.NativeEndian.PutUint64(m.Name[:], uint64(n))
	}
	return nil
}

func (c *Camera) find(id uint32) (Control, bool) {
	i := slices.IndexFunc(c.device.Controls, func(x Control) bool { return x.ID == id })
	if i < 0 {
		return Control{}, false
	}
	return c.device.Controls[i], true
}

func (h *handle) GetControl(a *uapi.ExtControl) error {
	defer h.unlock()
	if err := h.lock(); err != nil {
		return err
	}
	cam := h.node.cam
	cam.kernel.counts.Controls++
	c, ok := cam.find(a.ID)
	switch {
	case !ok:
		return unix.EINVAL
	case cam.faults.GetControl != nil:
		return cam.faults.GetControl
	case c.Flags&uapi.CtrlFlagWriteOnly != 0 || c.controlType() == uapi.CtrlTypeButton:
		return unix.EACCES
	case c.controlType() == uapi.CtrlTypeInteger64:
		a.SetValue64(int64(cam.control[a.ID]))
	default:
		a.SetValue(int64(cam.control[a.ID]))
	}
	return nil
}

// SetControl rejects an exposure time while automatic exposure is on, as
// cameras do.
func (h *handle) SetControl(a *uapi.ExtControl) error {
	defer h.unlock()
	if err := h.lock(); err != nil {
		return err
	}
	cam := h.node.cam
	c, ok := cam.find(a.ID)
	v := int32(a.Value())
	if c.controlType() == uapi.CtrlTypeInteger64 {
		v = int32(a.Value64())
	}
	_, entry := c.Menu[v]
	switch {
	case !ok:
		return unix.EINVAL
	case cam.faults.SetControl != nil:
		return cam.faults.SetControl
	case c.Flags&uapi.CtrlFlagReadOnly != 0, cam.inactive(a.ID):
		return unix.EACCES
	case c.Flags&uapi.CtrlFlagGrabbed != 0:
		return unix.EBUSY
	case c.Menu != nil && !entry:
		return unix.ERANGE
	}
	cam.control[c.ID] = v
	return nil
}
