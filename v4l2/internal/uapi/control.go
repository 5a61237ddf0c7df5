package uapi

import (
	"encoding/binary"
	"unsafe"
)

// Values of linux/videodev2.h for controls, with the header's names without
// V4L2_.
const (
	CtrlTypeInteger     = 1
	CtrlTypeBoolean     = 2
	CtrlTypeMenu        = 3
	CtrlTypeButton      = 4
	CtrlTypeInteger64   = 5
	CtrlTypeCtrlClass   = 6 // a heading, not a control
	CtrlTypeString      = 7
	CtrlTypeBitmask     = 8
	CtrlTypeIntegerMenu = 9

	CtrlFlagDisabled  = 0x0001
	CtrlFlagGrabbed   = 0x0002 // cannot be set while the camera streams
	CtrlFlagReadOnly  = 0x0004
	CtrlFlagInactive  = 0x0010
	CtrlFlagWriteOnly = 0x0040
	CtrlFlagNextCtrl  = 0x80000000 // in QueryExtCtrl.ID: query the first control with a greater id
)

// QueryExtCtrl is struct v4l2_query_ext_ctrl.
type QueryExtCtrl struct {
	ID               uint32
	Type             uint32
	Name             [32]byte
	Minimum, Maximum int64
	Step             uint64
	Default          int64
	Flags            uint32
	ElemSize         uint32
	Elems            uint32
	NrOfDims         uint32
	Dims             [4]uint32
	_                [32]uint32
}

// QueryMenu is struct v4l2_querymenu. It is packed in C and has no padding
// here.
type QueryMenu struct {
	ID    uint32
	Index uint32
	Name  [32]byte
	_     uint32
}

// Value returns the other member of the union with Name: the number of an
// integer menu's entry.
func (m *QueryMenu) Value() int64 { return int64(binary.NativeEndian.Uint64(m.Name[:])) }

// ExtControl is struct v4l2_ext_control for numeric controls. It is packed in
// C: its 64-bit value is not aligned.
type ExtControl struct {
	ID    uint32
	_     uint32 // size, for members of the union that are pointers
	_     uint32
	value [8]byte
}

// Value returns the value of a control of any type but CtrlTypeInteger64.
func (c *ExtControl) Value() int64 { return int64(int32(binary.NativeEndian.Uint32(c.value[:]))) }

// SetValue sets the value of a control of any type but CtrlTypeInteger64. It
// uses the lower 32 bits of v.
func (c *ExtControl) SetValue(v int64) { binary.NativeEndian.PutUint32(c.value[:], uint32(v)) }

// Value64 returns the value of a CtrlTypeInteger64 control.
func (c *ExtControl) Value64() int64 { return int64(binary.NativeEndian.Uint64(c.value[:])) }

// SetValue64 sets the value of a CtrlTypeInteger64 control.
func (c *ExtControl) SetValue64(v int64) { binary.NativeEndian.PutUint64(c.value[:], uint64(v)) }

// extControls is struct v4l2_ext_controls. which 0 selects current values of
// controls of any class.
type extControls struct {
	which     uint32
	count     uint32
	errorIdx  uint32
	requestFD int32
	_         uint32
	controls  *ExtControl
}

const (
	vidiocQueryMenu    = (dirRead|dirWrite)<<30 | unsafe.Sizeof(QueryMenu{})<<16 | 'V'<<8 | 37
	vidiocGExtCtrls    = (dirRead|dirWrite)<<30 | unsafe.Sizeof(extControls{})<<16 | 'V'<<8 | 71
	vidiocSExtCtrls    = (dirRead|dirWrite)<<30 | unsafe.Sizeof(extControls{})<<16 | 'V'<<8 | 72
	vidiocQueryExtCtrl = (dirRead|dirWrite)<<30 | unsafe.Sizeof(QueryExtCtrl{})<<16 | 'V'<<8 | 103
)

// QueryMenuItem reads entry m.Index of menu control m.ID (VIDIOC_QUERYMENU). It
// returns EINVAL if there is none.
func QueryMenuItem(fd int, m *QueryMenu) error { return ioctl(fd, vidiocQueryMenu, unsafe.Pointer(m)) }

// QueryControl reads the description of control q.ID (VIDIOC_QUERY_EXT_CTRL).
// It returns EINVAL if there is none.
func QueryControl(fd int, q *QueryExtCtrl) error {
	return ioctl(fd, vidiocQueryExtCtrl, unsafe.Pointer(q))
}

// GetControl reads the value of control c.ID (VIDIOC_G_EXT_CTRLS).
func GetControl(fd int, c *ExtControl) error {
	return ioctl(fd, vidiocGExtCtrls, unsafe.Pointer(&extControls{count: 1, controls: c}))
}

// SetControl sets control c.ID (VIDIOC_S_EXT_CTRLS). The driver writes the
// actual value to c.
func SetControl(fd int, c *ExtControl) error {
	return ioctl(fd, vidiocSExtCtrls, unsafe.Pointer(&extControls{count: 1, controls: c}))
}
