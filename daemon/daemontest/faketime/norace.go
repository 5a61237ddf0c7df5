//go:build !race

package faketime

const processors = 0 // as many as there are
