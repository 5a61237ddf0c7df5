package mjpeg

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// referenceDeblock filters P3 to P0 and Q0 to Q3 as the table says.
func referenceDeblock(v [8]byte, limit int) [8]byte {
	jump := int(v[4]) - int(v[3])
	size, sign := max(jump, -jump), 1
	if jump < 0 {
		sign = -1
	}
	ramp := max(0, min(size, 2*limit-size))
	flat := v[0] == v[1] && v[1] == v[2] && v[2] == v[3] && v[4] == v[5] && v[5] == v[6] && v[6] == v[7]
	moves := [4]int{(3*ramp + 4) / 8, (ramp + 4) / 8}
	if flat {
		moves = [4]int{(3*ramp + 4) / 8, (ramp + 2) / 4, (ramp + 4) / 8, (ramp + 8) / 16}
	}
	for i, m := range moves {
		v[3-i] = byte(min(max(int(v[3-i])+sign*m, 0), 255))
		v[4+i] = byte(min(max(int(v[4+i])-sign*m, 0), 255))
	}
	return v
}

// Both directions do what the table says, for all jumps and limits.
func TestDeblock_matchesReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const n = 2000
	across, down := make([]byte, 8*n), make([]byte, 8*n)
	want := make([][8]byte, n)
	for limit := 1; limit <= maxJump; limit++ {
		for i := range n {
			p, q := rng.IntN(256), rng.IntN(256)
			if i%4 != 0 {
				q = min(max(p+rng.IntN(4*limit+1)-2*limit, 0), 255)
			}
			var v [8]byte
			for j := range v {
				v[j] = byte(p)
				if j > 3 {
					v[j] = byte(q)
				}
				if i%3 == 0 {
					v[j] = byte(min(max(int(v[j])+rng.IntN(9)-4, 0), 255))
				}
			}
			copy(across[8*i:], v[:])
			for j := range v {
				down[j*n+i] = v[j]
			}
			want[i] = referenceDeblock(v, limit)
		}
		for i := 0; i < n; i += 8 {
			deblockColumn(across[8*i:], 8, limit)
		}
		deblockRow(down, n, limit)
		for i, w := range want {
			var got [8]byte
			for j := range got {
				got[j] = down[j*n+i]
			}
			if !bytes.Equal(across[8*i:8*i+8], w[:]) {
				t.Fatalf("limit %d: got %v across a vertical edge, want %v", limit, across[8*i:8*i+8], w)
			}
			if got != w {
				t.Fatalf("limit %d: got %v across a horizontal edge, want %v", limit, got, w)
			}
		}
	}
}

// reduced returns a camera frame as a Requantiser reduces it.
func reduced(t testing.TB, s Scale) []byte {
	t.Helper()
	const w, h = 318, 234 // no multiples of a block
	src, err := NewEncoder(90).EncodeYUYV(nil, scene(w, h, 2*w, 2), w, h, 0)
	if err != nil {
		t.Fatal(err)
	}
	var r Requantiser
	mustLoad(t, &r, src)
	return r.Append(nil, s)
}

// As steps become coarser, the filter changes the frame gradually.
func TestDeblock_strength(t *testing.T) {
	for _, tt := range []struct {
		scale Scale
		most  int // change of a sample
	}{{0, 0}, {40, 0}, {64, 0}, {80, 6}, {96, 18}, {MaxScale, 2 * 3 * maxJump / 8}} {
		b := reduced(t, tt.scale)
		var plain Decoder
		soft := Decoder{Deblock: true}
		was, is := mustDecode(t, &plain, b, 1), mustDecode(t, &soft, b, 1)
		most := 0
		for i, p := range [][]byte{was.Y, was.Cb, was.Cr} {
			for j := range p {
				most = max(most, abs(p[j], [][]byte{is.Y, is.Cb, is.Cr}[i][j]))
			}
		}
		if most > tt.most || most == 0 != (tt.most == 0) {
			t.Errorf("scale %d: got samples changed by up to %d, want %d", tt.scale, most, tt.most)
		}
		small, soft4 := mustDecode(t, &plain, b, 4), mustDecode(t, &soft, b, 4)
		if !bytes.Equal(small.Y, soft4.Y) {
			t.Errorf("scale %d: a smaller frame is filtered", tt.scale)
		}
	}
}

// Jumps of at least twice the limit are edges of the scene.
func TestDeblock_keepsEdges(t *testing.T) {
	const limit, stride = 20, 16
	was := make([]byte, stride*16)
	for i := range was {
		was[i] = 100
		if i%stride >= 8 != (i/stride >= 8) {
			was[i] += 2 * limit
		}
	}
	is := slices.Clone(was)
	deblockPlane(is, stride, 16, 16, limit)
	if !bytes.Equal(is, was) {
		t.Errorf("got a filtered edge of %d grey levels with a limit of %d", 2*limit, limit)
	}
}

// BenchmarkDeblock reports what the filter takes, compared to decoding the
// reduced frame, one of the same size and camera quality, and the camera's.
func BenchmarkDeblock(b *testing.B) {
	const w, h = 1280, 720
	src, err := NewEncoder(90).EncodeYUYV(nil, scene(w, h, 2*w, 2), w, h, 0)
	if err != nil {
		b.Fatal(err)
	}
	var r Requantiser
	mustLoad(b, &r, src)
	r.Shrink(3)
	fine, coarse := r.Append(nil, 0), r.Append(nil, MaxShrunkScale)
	var plain Decoder
	soft := Decoder{Deblock: true}
	decode := func(d *Decoder, frame []byte) func() {
		return func() { mustDecode(b, d, frame, 1) }
	}
	times := [4]time.Duration{time.Hour, time.Hour, time.Hour, time.Hour}
	for b.Loop() {
		for i, f := range []func(){
			decode(&soft, coarse), decode(&plain, coarse), decode(&plain, fine), decode(&plain, src),
		} {
			times[i] = min(times[i], timeOf(f))
		}
	}
	filter := times[0] - times[1]
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(filter.Seconds()*1000, "ms-filter")
	for i, unit := range []string{"%-of-reduced", "%-of-same-size", "%-of-camera"} {
		b.ReportMetric(100*float64(filter)/float64(times[i+1]), unit)
	}
}
