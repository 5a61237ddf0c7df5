package screen

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"vchat/cmd/vchatctl/internal/view/screen/internal/uapi"
)

func (linux) inputs() ([]string, error) { return filepath.Glob("/dev/input/event*") }

func (linux) openInput(path string) (inputDevice, error) {
	fd, err := uapi.OpenInput(path)
	if err != nil {
		return nil, err
	}
	return &linuxInput{os.NewFile(uintptr(fd), path)}, nil
}

// linuxInput implements inputDevice. Reads use the runtime's poller.
type linuxInput struct{ file *os.File }

// control calls f with the descriptor, which stays open meanwhile.
func (d *linuxInput) control(f func(fd int) error) error {
	conn, err := d.file.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	if err := conn.Control(func(fd uintptr) { result = f(int(fd)) }); err != nil {
		return err // closed
	}
	return result
}

func (d *linuxInput) capabilities() (c capabilities, err error) {
	c = capabilities{
		keys: make(bitset, 0x300/8), rels: make(bitset, 2), axes: make(bitset, 0x40/8), props: make(bitset, 4),
	}
	return c, d.control(func(fd int) error {
		_ = uapi.InputProps(fd, c.props) // a kernel without properties
		return cmp.Or(uapi.InputBits(fd, uapi.EvKey, c.keys), uapi.InputBits(fd, uapi.EvRel, c.rels),
			uapi.InputBits(fd, uapi.EvAbs, c.axes))
	})
}

func (d *linuxInput) axis(code uint16) (a uapi.AbsInfo, err error) {
	err = d.control(func(fd int) error {
		a, err = uapi.InputAbs(fd, code)
		return err
	})
	return a, err
}

func (d *linuxInput) slots(code uint16, values []int32) error {
	return d.control(func(fd int) error { return uapi.InputSlots(fd, code, values) })
}

func (d *linuxInput) read(b []byte) (int, error) { return d.file.Read(b) }
func (d *linuxInput) close() error               { return d.file.Close() }

// calibration returns what a rule of udev sets for the device, as libinput
// takes it. It is the identity without udev.
func (d *linuxInput) calibration() calibration {
	var st unix.Stat_t
	if err := d.control(func(fd int) error { return unix.Fstat(fd, &st) }); err != nil {
		return noCalibration
	}
	rdev := uint64(st.Rdev) //nolint:unconvert // 32 bits on some machines
	file := fmt.Sprintf("/run/udev/data/c%d:%d", unix.Major(rdev), unix.Minor(rdev))
	b, err := os.ReadFile(file)
	if err != nil {
		return noCalibration
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, "E:LIBINPUT_CALIBRATION_MATRIX="); ok {
			return parseCalibration(value)
		}
	}
	return noCalibration
}
