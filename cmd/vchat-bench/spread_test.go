package main

import (
	"math"
	"testing"
)

func TestQuantile(t *testing.T) {
	values := make([]float64, 100)
	for i := range values {
		values[i] = float64(100 - i)
	}
	for q, want := range map[float64]float64{0: 1, 0.5: 50, 0.99: 99, 1: 100} {
		if got := quantile(values, q); got != want {
			t.Errorf("quantile %v of 1 to 100: got %v, want %v", q, got, want)
		}
	}
	if values[0] != 100 {
		t.Error("quantile changed its argument")
	}
	if got := quantile(nil, 0.5); !math.IsNaN(got) {
		t.Errorf("without values: got %v, want NaN", got)
	}
}

func TestSpread(t *testing.T) {
	none := math.NaN()
	for _, tt := range []struct {
		values   []float64
		decimals int
		want     string
	}{
		{[]float64{216}, 0, "216"},
		{[]float64{3, 1, 2}, 0, "2 (1–3)"},
		{[]float64{1.04, 1.01}, 1, "1.0"},
		{[]float64{1.26, none, 1.04}, 2, "1.04 (1.04–1.26), 1 of 3 none"},
		{[]float64{none, none}, 0, "–"},
		{nil, 0, "–"},
	} {
		if got := spread(tt.values, tt.decimals); got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.values, got, tt.want)
		}
	}
}

func TestTable(t *testing.T) {
	got := table([][]string{{"program", "µs"}, {"vchat", "216 (210–261)"}, {"ffmpeg, far", "–"}})
	want := `| program     |            µs |
| ----------- | ------------: |
| vchat       | 216 (210–261) |
| ffmpeg, far |             – |
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
