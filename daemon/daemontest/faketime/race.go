//go:build race

package faketime

const processors = 1
