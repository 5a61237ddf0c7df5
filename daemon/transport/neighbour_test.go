package transport

import "testing"

func TestTheKernelTakesOurWordForANeighbour(t *testing.T) {
	for _, address := range []string{"127.0.0.1:7450", "[::ffff:127.0.0.1]:7450"} {
		if err := KeepNeighbour(address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := KeepNeighbour("workshop:7450"); err == nil {
		t.Error("a name was taken for an address")
	}
}
