package main

import (
	"encoding/binary"
	"unicode/utf16"
)

// The descriptors follow the USB Device Class Definition for Video Devices 1.0a
// ("UVC"), chapter 3, and USB 2.0, chapter 9. They are those of a common
// webcam: a camera terminal, a processing unit, MJPEG and YUYV.

// packetSize is the size of a packet in bytes: three transactions of 1024 bytes
// in one microframe (125 µs).
const packetSize = 3072

const (
	formatMJPEG = 1
	formatYUYV  = 2
)

// Numbers of the entities of the video control interface.
const (
	entityCamera     = 1
	entityProcessing = 2
	entityOutput     = 3
)

// A mode is a frame size with its frame rates. The first is the default.
type mode struct {
	w, h int
	fps  []int
}

// modes returns the modes of a format. The number of a mode in USB requests is
// its index plus one.
func modes(format byte) []mode {
	if format == formatYUYV {
		return []mode{{640, 480, []int{30, 15, 5}}, {320, 240, []int{30, 15, 5}}, {1280, 720, []int{10, 5}}}
	}
	return []mode{
		{1280, 720, []int{30, 25, 15, 10, 5}}, {320, 240, []int{30, 15, 5}}, {640, 480, []int{30, 25, 15, 10, 5}},
		{800, 600, []int{30, 15}}, {1920, 1080, []int{15, 5}},
	}
}

// interval returns the time between frames in units of 100 ns, as in UVC.
func interval(fps int) int { return 10_000_000 / fps }

// fields are the fields of a descriptor. end adds the length in front.
type fields []byte

func (f fields) u8(v ...int) fields {
	for _, x := range v {
		f = append(f, byte(x))
	}
	return f
}
func (f fields) u16(v int) fields       { return binary.LittleEndian.AppendUint16(f, uint16(v)) }
func (f fields) u32(v int) fields       { return binary.LittleEndian.AppendUint32(f, uint32(v)) }
func (f fields) bytes(b ...byte) fields { return append(f, b...) }
func (f fields) end() []byte            { return append([]byte{byte(len(f) + 1)}, f...) }

func deviceDescriptor() []byte {
	// Class EF/02/01: interface associations group the interfaces. 1d6b:0102 is
	// the webcam gadget of the Linux Foundation.
	return fields{}.u8(1).u16(0x0200).u8(0xef, 2, 1, 64).
		u16(0x1d6b).u16(0x0102).u16(0x0100).u8(1, 2, 3, 1).end()
}

func stringDescriptor(texts []string, i int) []byte {
	if i == 0 {
		return fields{}.u8(3).u16(0x0409).end() // English only
	}
	if i > len(texts) {
		return nil
	}
	f := fields{}.u8(3)
	for _, c := range utf16.Encode([]rune(texts[i-1])) {
		f = f.u16(int(c))
	}
	return f.end()
}

func frameDescriptors(subtype int, format byte) []byte {
	var out []byte
	for i, m := range modes(format) {
		size := m.w * m.h * 2
		f := fields{}.u8(0x24, subtype, i+1, 0).u16(m.w).u16(m.h).
			u32(size * 8 * m.fps[len(m.fps)-1]).u32(size * 8 * m.fps[0]).u32(size).
			u32(interval(m.fps[0])).u8(len(m.fps))
		for _, n := range m.fps {
			f = f.u32(interval(n))
		}
		out = append(out, f.end()...)
	}
	return append(out, fields{}.u8(0x24, 0x0d, 1, 1, 4).end()...) // colors: sRGB, BT.709, SMPTE 170M
}

func videoControlDescriptors() []byte {
	var units []byte
	units = append(units, fields{}.u8(0x24, 2, entityCamera).u16(0x0201).u8(0, 0).u16(0).u16(0).u16(0).
		u8(3, 0x0e, 0, 0).end()...) // exposure mode, priority and time
	units = append(units, fields{}.u8(0x24, 5, entityProcessing, entityCamera).u16(0).u8(2).u16(0x041b).u8(0).end()...)
	units = append(units, fields{}.u8(0x24, 3, entityOutput).u16(0x0101).u8(0, entityProcessing, 0).end()...)
	header := fields{}.u8(0x24, 1).u16(0x0100).u16(13+len(units)).u32(48_000_000).u8(1, 1).end()
	return append(header, units...)
}

func videoStreamingDescriptors() []byte {
	yuy2 := []byte{'Y', 'U', 'Y', '2', 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71} // GUID
	var formats []byte
	formats = append(formats, fields{}.u8(0x24, 6, formatMJPEG, len(modes(formatMJPEG)), 1, 1, 0, 0, 0, 0).end()...)
	formats = append(formats, frameDescriptors(7, formatMJPEG)...)
	formats = append(formats, fields{}.u8(0x24, 4, formatYUYV, len(modes(formatYUYV))).bytes(yuy2...).
		u8(16, 1, 0, 0, 0, 0).end()...)
	formats = append(formats, frameDescriptors(5, formatYUYV)...)
	header := fields{}.u8(0x24, 1, 2).u16(15+len(formats)).u8(0x81, 0, entityOutput, 0, 0, 0, 1, 0, 0).end()
	return append(header, formats...)
}

func configurationDescriptor() []byte {
	var body []byte
	add := func(b []byte) { body = append(body, b...) }
	add(fields{}.u8(11, 0, 2, 0x0e, 3, 0, 2).end())   // interfaces 0 and 1 form a video function
	add(fields{}.u8(4, 0, 0, 0, 0x0e, 1, 0, 2).end()) // 0: control
	add(videoControlDescriptors())
	add(fields{}.u8(4, 1, 0, 0, 0x0e, 2, 0, 0).end()) // 1, setting 0: streaming, no bandwidth
	add(videoStreamingDescriptors())
	add(fields{}.u8(4, 1, 1, 1, 0x0e, 2, 0, 0).end())              // 1, setting 1: streaming
	add(fields{}.u8(5, 0x81, 5).u16(0x1400).u8(1).end())           // asynchronous isochronous IN, 3 x 1024 bytes
	head := fields{}.u8(2).u16(9+len(body)).u8(2, 1, 0, 0x80, 250) // two interfaces, bus powered, 500 mA
	return append(head.end(), body...)
}
