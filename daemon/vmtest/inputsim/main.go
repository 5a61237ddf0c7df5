// Command inputsim emulates a mouse or a touch screen with the kernel's uinput
// driver.
//
//	inputsim -kind KIND -name NAME -commands FIFO
//
// The device is plugged in until a signal. The kinds are:
//
//	slots   a touch screen for ten fingers (multitouch protocol B) without
//	        ABS_X and ABS_Y, from 0 to 4095
//	single  an old touch screen for one finger: BTN_TOUCH, no property, X from
//	        -2048 to 2047, Y from 100 to 899
//	turned  a touch screen that is turned clockwise by 90° against the monitor,
//	        with both kinds of axes
//	mouse   REL_X, REL_Y and a button
//
// Each line of the FIFO is a command:
//
//	tap X Y    a finger at thousandths of the monitor
//	flood      a finger moves faster than anybody reads: events are lost
//	move X Y   of the mouse, in pixels
//	click      of the mouse
//	wait MS    milliseconds
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "inputsim:", err)
		os.Exit(1)
	}
}

func run() error {
	kind := flag.String("kind", "slots", "slots, single, turned or mouse")
	name := flag.String("name", "inputsim", "name of the device")
	commands := flag.String("commands", "", "FIFO to make and read")
	flag.Parse()
	s, ok := shapes[*kind]
	if !ok {
		return fmt.Errorf("unknown kind %s", *kind)
	}
	if err := unix.Mkfifo(*commands, 0o600); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("make %s: %w", *commands, err)
	}
	lines, err := os.OpenFile(*commands, os.O_RDWR, 0) // no end of file when a writer is done
	if err != nil {
		return err
	}
	defer lines.Close()
	d, err := plugIn(s, *name)
	if err != nil {
		return err
	}
	defer d.file.Close()
	for scanner := bufio.NewScanner(lines); scanner.Scan(); {
		if err := d.command(scanner.Text()); err != nil {
			return fmt.Errorf("command %q: %w", scanner.Text(), err)
		}
	}
	return nil
}

// command carries out a line of the FIFO.
func (d *device) command(line string) error {
	var name string
	var x, y int32
	_, _ = fmt.Sscan(line, &name, &x, &y) // not all commands have numbers
	switch name {
	case "tap":
		return errors.Join(d.write(d.down(x, y)), d.write(d.up()))
	case "flood":
		events := d.down(10, 10)
		for i := range int32(4000) {
			events = append(events, d.place(10+i%900, 10)...)
		}
		return d.write(append(events, d.up()...))
	case "wait":
		time.Sleep(time.Duration(x) * time.Millisecond)
		return nil
	case "move":
		return d.write([]event{{evRel, relX, x}, {evRel, relY, y}, report})
	case "click":
		return errors.Join(d.write([]event{{evKey, btnLeft, 1}, report}), d.write([]event{{evKey, btnLeft, 0}, report}))
	}
	return errors.New("unknown command")
}
