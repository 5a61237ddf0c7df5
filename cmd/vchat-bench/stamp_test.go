package main

import (
	"encoding/binary"
	"testing"
	"time"
)

// comment returns the start of a JPEG with a comment after another segment.
func comment(body []byte) []byte {
	b := []byte{0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xfe}
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)+2))
	return append(append(b, body...), 0xff, 0xda, 0, 2)
}

func TestStampOf(t *testing.T) {
	const mono, wall = 100 * time.Second, 5000 * time.Second
	taken := mono - 30*time.Millisecond
	plain := append([]byte("CAMS"), 42, 0, 0, 0)
	plain = binary.LittleEndian.AppendUint64(plain, uint64(taken))
	ours := append([]byte("VCSM"), 0, 0, 0, 1, 0, 0, 0, 42)
	ours = binary.BigEndian.AppendUint64(ours, uint64(taken))
	ours = append(ours, 1, 2, 3, 4)
	old := append([]byte("CAMS"), make([]byte, 12)...)
	binary.LittleEndian.PutUint64(old[8:], uint64(mono+time.Hour))
	vchat := map[string]string{"x-timestamp": "4999.970000", "x-age-ms": "1.000", "x-sequence": "42"}
	for _, tt := range []struct {
		name   string
		jpeg   []byte
		header map[string]string
		taken  time.Duration
		seq    int64
	}{
		{"in the frame, plain", comment(plain), vchat, taken, 42},
		{"in the frame, ours", comment(ours), vchat, taken, 42},
		{"another comment", comment([]byte("sixteen letters!")), vchat, taken, 42},
		{"a future time", comment(old), vchat, taken, 42},
		{"truncated segment", []byte{0xff, 0xd8, 0xff, 0xfe, 0, 18, 1}, vchat, taken, 42},
		{"empty", nil, vchat, taken, 42},
		{"µStreamer", comment(nil),
			map[string]string{"x-ustreamer-grab-time": "99.970000", "x-timestamp": "4999.990000"}, taken, -1},
		{"X-Timestamp of sending", comment(nil), map[string]string{"x-timestamp": "4999.990000"}, 0, -1},
		{"ffmpeg", comment(nil), map[string]string{}, 0, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := stampOf(tt.jpeg, tt.header, mono, wall)
			d := s.taken - tt.taken
			if d.Abs() > time.Microsecond || s.seq != tt.seq || (s.from == "") != (tt.taken == 0) {
				t.Errorf("got %+v, want %v, %d", s, tt.taken, tt.seq)
			}
		})
	}
}
