//go:build race

package faketime

const maxProcs = 1
