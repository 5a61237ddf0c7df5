package config

import (
	"fmt"
	"strings"
)

// suggest says what may have been meant by an unknown key: the nearest of the known ones, if it is near, else all.
func suggest(unknown string, known []string) string {
	best, least := "", len(unknown)
	for _, k := range known {
		if d := distance(strings.ToLower(unknown), k); d < least {
			best, least = k, d
		}
	}
	if best != "" && least <= max(1, len(best)/3) {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "the keys here are " + strings.Join(known, ", ")
}

// distance counts the characters to insert, leave out, change, or swap with their neighbour, to make b of a
// (optimal string alignment).
func distance(a, b string) int {
	if len(a) > 2*len(b)+8 {
		return len(a) // far off, whatever it says
	}
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
