package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// quantile returns the smallest value that a fraction q of the values does not
// exceed, or NaN without values.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	v := slices.Sorted(slices.Values(values))
	return v[min(max(int(math.Ceil(q*float64(len(v))))-1, 0), len(v)-1)]
}

// spread formats the median of the runs and their range. NaN is a run without a
// result.
func spread(values []float64, decimals int) string {
	known := slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	if len(known) == 0 {
		return "–"
	}
	write := func(v float64) string { return fmt.Sprintf("%.*f", decimals, v) }
	s := write(quantile(known, 0.5))
	if low, high := write(slices.Min(known)), write(slices.Max(known)); low != high {
		s += " (" + low + "–" + high + ")"
	}
	if missing := len(values) - len(known); missing > 0 {
		s += fmt.Sprintf(", %d of %d none", missing, len(values))
	}
	return s
}

// ms returns d in milliseconds.
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// table formats markdown with aligned columns. The first row is the head; all
// but the first column are aligned right.
func table(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, cell := range r {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell), 4)
		}
	}
	var b strings.Builder
	for n, r := range rows {
		for i, cell := range r {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				b.WriteString("| " + cell + pad)
			} else {
				b.WriteString(" | " + pad + cell)
			}
		}
		b.WriteString(" |\n")
		if n == 0 {
			for i, w := range widths {
				if i == 0 {
					b.WriteString("| " + strings.Repeat("-", w))
				} else {
					b.WriteString(" | " + strings.Repeat("-", w-1) + ":")
				}
			}
			b.WriteString(" |\n")
		}
	}
	return b.String()
}
