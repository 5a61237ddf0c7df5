//go:build race

package faketime

const maxProcs = 1

// Slow reports that all takes ten times as long: a test that simulates a long
// time simulates less.
const Slow = true
