//go:build !race

package faketime

const maxProcs = 0 // no limit
