package render

import (
	"fmt"
	"testing"
)

func TestSamplePos(t *testing.T) {
	for _, tt := range []struct{ x, m, n, pixel, weight int }{
		{0, 4, 4, 0, 0}, {3, 4, 4, 2, 256}, {1, 4, 4, 1, 0}, // same size
		{0, 8, 4, 0, 0}, {1, 8, 4, 0, 64}, {2, 8, 4, 0, 192}, {7, 8, 4, 2, 256}, // twice as large
		{0, 2, 3, 0, 64}, {1, 2, 3, 1, 192},
		{0, 5, 1, 0, 256}, {4095, 4096, 8191, 8189, 128}, {8000, 8192, 65535, 64002, 133},
	} {
		t.Run(fmt.Sprintf("%d of %d from %d", tt.x, tt.m, tt.n), func(t *testing.T) {
			pixel, weight := samplePos(tt.x, tt.m, tt.n)
			if pixel != tt.pixel || weight != tt.weight {
				t.Errorf("got pixel %d, weight %d; want pixel %d, weight %d", pixel, weight, tt.pixel, tt.weight)
			}
		})
	}
}
