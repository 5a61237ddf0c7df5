package config

import (
	"fmt"
	"strings"
)

// suggest returns a hint for an unknown key: the most similar known key, or all
// keys if none is similar.
func suggest(unknown string, known []string) string {
	best, minimum := "", len(unknown)
	for _, k := range known {
		if d := distance(strings.ToLower(unknown), k); d < minimum {
			best, minimum = k, d
		}
	}
	if best != "" && minimum <= max(1, len(best)/3) {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "valid keys: " + strings.Join(known, ", ")
}

// distance returns the number of insertions, deletions, changes and swaps of
// neighbours that turn a into b (optimal string alignment).
func distance(a, b string) int {
	if len(a) > 2*len(b)+8 {
		return len(a) // too long to be similar
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
