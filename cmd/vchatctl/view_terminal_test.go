package main

import "testing"

func TestIsMultiplexer(t *testing.T) {
	for name, want := range map[string]bool{
		"tmux-256color": true, "screen.xterm-256color": true, "screen": true, "xterm-kitty": false, "": false,
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TERM", name)
			if got := isMultiplexer(); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}
