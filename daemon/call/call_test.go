package call

import (
	"encoding/json"
	"testing"
)

func TestID_text(t *testing.T) {
	original := ID{0x00, 0x1f, 0xff, 15: 0x0a}
	if got, want := original.String(), "001fff0000000000000000000000000a"; got != want {
		t.Errorf("String: got %s, want %s", got, want)
	}
	text, err := json.Marshal(original)
	if err != nil {
		t.Fatal(err)
	}
	var read ID
	if err := json.Unmarshal(text, &read); err != nil || read != original {
		t.Errorf("Unmarshal(%s): got %s, %v; want %s", text, read, err, original)
	}
	for _, bad := range []string{`""`, `"00"`, `"001fff0000000000000000000000000g"`,
		`"001fff0000000000000000000000000a00"`} {
		if err := json.Unmarshal([]byte(bad), &read); err == nil {
			t.Errorf("Unmarshal(%s): got no error, want one", bad)
		}
	}
}

func TestReason(t *testing.T) {
	// The wire protocol defines the numbers, the control API the keys.
	for want, r := range map[string]Reason{
		"hung_up": 1, "declined": 2, "busy": 3, "no_answer": 4, "do_not_disturb": 5, "cancelled": 6, "unknown_call": 7,
		"lost_too_long": 8, "failed": 9, "unreachable": 128, "wrong_identity": 129, "reason_77": 77,
	} {
		t.Run(want, func(t *testing.T) {
			if r.Key() != want {
				t.Errorf("Key of %d: got %s, want %s", uint8(r), r.Key(), want)
			}
		})
	}
}
