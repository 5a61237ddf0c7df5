package transport

import "testing"

func TestIsFar(t *testing.T) {
	for address, want := range map[string]bool{
		"192.0.2.10:4001": true, "[2001:db8::7]:7450": true, "[::ffff:192.0.2.10]:1": true,
		"192.168.1.20:7450": false, "10.77.0.7:7450": false, "[fd00::7]:7450": false, "[fe80::1%eth0]:7450": false,
		"127.0.0.1:4001": false, "[::1]:4001": false, "name:7450": false,
	} {
		if got := isFar(address); got != want {
			t.Errorf("%s: got %v, want %v", address, got, want)
		}
	}
}
