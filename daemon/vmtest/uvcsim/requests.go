package main

import "encoding/binary"

// Requests of the control pipe: USB 2.0, chapter 9.4, and UVC 1.0a, chapter 4.

// UVC request codes.
const (
	setCur  = 0x01
	getCur  = 0x81
	getMin  = 0x82
	getMax  = 0x83
	getRes  = 0x84
	getLen  = 0x85
	getInfo = 0x86
	getDef  = 0x87
)

// controlData is a control of the camera. size is in bytes, as UVC defines it.
type controlData struct{ size, min, max, res, def, cur int }

type controlID struct{ entity, selector byte }

func newControls() map[controlID]*controlData {
	return map[controlID]*controlData{
		{entityProcessing, 2}: {2, 0, 255, 1, 128, 128}, // brightness
		{entityProcessing, 3}: {2, 0, 255, 1, 32, 32},   // contrast
		{entityProcessing, 5}: {1, 0, 2, 1, 1, 1},       // power line frequency
		{entityProcessing, 7}: {2, 0, 255, 1, 64, 64},   // saturation
		{entityProcessing, 8}: {2, 0, 15, 1, 3, 3},      // sharpness
		{entityCamera, 2}:     {1, 0, 0, 9, 8, 8},       // exposure mode: bitmap of manual and aperture priority
		// Exposure may lower the rate: on, as after a factory reset of many
		// cameras.
		{entityCamera, 3}: {1, 0, 1, 1, 0, 1},
		{entityCamera, 4}: {4, 1, 5000, 1, 156, 156}, // exposure time
	}
}

// answer answers a request for the control. ok is false for an unknown request.
func (c *controlData) answer(request byte, out []byte) (in []byte, ok bool) {
	value := func(v int) ([]byte, bool) {
		return binary.LittleEndian.AppendUint64(nil, uint64(v))[:c.size], true
	}
	switch request {
	case setCur:
		var b [8]byte
		copy(b[:], out)
		c.cur = int(binary.LittleEndian.Uint64(b[:]))
		return nil, true
	case getCur:
		return value(c.cur)
	case getMin:
		return value(c.min)
	case getMax:
		return value(c.max)
	case getRes:
		return value(c.res)
	case getDef:
		return value(c.def)
	case getLen:
		return fields{}.u16(c.size), true
	case getInfo:
		return []byte{3}, true // supports GET and SET
	}
	return nil, false
}

// A probe is the block by which driver and camera negotiate a stream (UVC 1.0a,
// 4.3.1.1).
type probe []byte

const probeSize = 26

func newProbe() probe { return probe(make([]byte, probeSize)).supported() }

func (p probe) format() byte  { return p[2] }
func (p probe) mode() mode    { return modes(p[2])[p[3]-1] }
func (p probe) interval() int { return int(binary.LittleEndian.Uint32(p[4:])) }

// supported returns a copy with the nearest values that the camera supports.
func (p probe) supported() probe {
	q := make(probe, probeSize)
	copy(q, p)
	if q[2] != formatMJPEG && q[2] != formatYUYV {
		q[2] = formatMJPEG
	}
	if q[3] < 1 || int(q[3]) > len(modes(q[2])) {
		q[3] = 1
	}
	m := q.mode()
	want, best := q.interval(), interval(m.fps[0])
	if want != 0 {
		for _, n := range m.fps {
			if abs(interval(n)-want) < abs(best-want) {
				best = interval(n)
			}
		}
	}
	binary.LittleEndian.PutUint32(q[4:], uint32(best))
	binary.LittleEndian.PutUint32(q[18:], uint32(m.w*m.h*2))
	binary.LittleEndian.PutUint32(q[22:], packetSize)
	return q
}

func abs(n int) int { return max(n, -n) }

// control answers a request. If ok is false, the answer is a stall: the request
// is refused.
func (s *session) control(setup [8]byte, out []byte) (in []byte, ok bool) {
	kind, request := setup[0], setup[1]
	value, index := binary.LittleEndian.Uint16(setup[2:]), binary.LittleEndian.Uint16(setup[4:])
	switch {
	case kind&0x60 == 0:
		in, ok = s.standardRequest(kind, request, value, index)
	case index == 1: // streaming interface
		in, ok = s.negotiate(request, byte(value>>8), out)
	case byte(index) == 0 && kind&0x60 == 0x20: // control interface and its entities
		if c := s.camera.controls[controlID{byte(index >> 8), byte(value >> 8)}]; c != nil {
			in, ok = c.answer(request, out)
		} else if index == 0 && value>>8 == 2 {
			in, ok = []byte{6}, true // reason of the last refusal: unknown control
		}
	}
	return in[:min(len(in), int(binary.LittleEndian.Uint16(setup[6:])))], ok
}

func (s *session) standardRequest(kind, request byte, value, index uint16) (in []byte, ok bool) {
	switch {
	case kind == 0x80 && request == 6: // GET_DESCRIPTOR
		switch value >> 8 {
		case 1:
			in = deviceDescriptor()
		case 2:
			in = configurationDescriptor()
		case 3:
			in = stringDescriptor([]string{"VMTest", s.camera.product, s.camera.serial}, int(value&0xff))
		}
		return in, in != nil
	case kind&0x80 != 0 && request == 0: // GET_STATUS
		return []byte{0, 0}, true
	case kind == 0x80 && request == 8: // GET_CONFIGURATION
		return []byte{s.configuration}, true
	case kind == 0x00 && request == 9: // SET_CONFIGURATION
		s.configuration = byte(value)
		s.camera.faults.hang.clear() // the kernel configures a device after a reset and after a plug
		return nil, true
	case kind == 0x01 && request == 11: // SET_INTERFACE: on interface 1, setting 1 starts the stream and 0 ends it
		if index == 1 {
			s.setStreaming(value != 0)
		}
		return nil, true
	case kind == 0x81 && request == 10: // GET_INTERFACE
		if index == 1 && s.camera.streaming.Load() {
			return []byte{1}, true
		}
		return []byte{0}, true
	case request == 1 || request == 3: // CLEAR_FEATURE, SET_FEATURE
		return nil, true
	}
	return nil, false
}

// negotiate answers requests for the probe (selector 1) and commit (selector 2)
// controls.
func (s *session) negotiate(request, selector byte, out []byte) (in []byte, ok bool) {
	if selector != 1 && selector != 2 {
		return nil, false
	}
	p := &s.probe
	if selector == 2 {
		p = &s.commit
	}
	switch request {
	case setCur:
		if selector == 2 && s.camera.faults.stall.on() {
			return nil, false
		}
		*p = probe(out).supported()
		return nil, true
	case getCur:
		return *p, true
	case getMin, getMax:
		return s.probe.supported(), true
	case getDef:
		return newProbe(), true
	case getRes:
		return make([]byte, probeSize), true
	case getLen:
		return fields{}.u16(probeSize), true
	case getInfo:
		return []byte{3}, true
	}
	return nil, false
}
