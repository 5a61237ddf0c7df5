package main

import (
	"math"
	"testing"
)

func TestDecimals(t *testing.T) {
	for _, tt := range []struct {
		v    float64
		n    int
		want string
	}{
		{math.Copysign(0, -1), 1, "0.0"}, {-0.04, 1, "0.0"}, {-0.4, 0, "0"}, {-0.06, 1, "-0.1"}, {10.25, 1, "10.2"},
	} {
		if got := decimals(tt.v, tt.n); got != tt.want {
			t.Errorf("decimals(%v, %d): got %q, want %q", tt.v, tt.n, got, tt.want)
		}
	}
}
