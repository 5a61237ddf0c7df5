package call

import (
	"encoding/json"
	"testing"
)

func TestIDText(t *testing.T) {
	drawn := ID{0x00, 0x1f, 0xff, 15: 0x0a}
	if got, want := drawn.String(), "001fff0000000000000000000000000a"; got != want {
		t.Errorf("String gives %s, want %s", got, want)
	}
	text, err := json.Marshal(drawn)
	if err != nil {
		t.Fatal(err)
	}
	var read ID
	if err := json.Unmarshal(text, &read); err != nil || read != drawn {
		t.Errorf("%s is read as %s, %v", text, read, err)
	}
	for _, bad := range []string{`""`, `"00"`, `"001fff0000000000000000000000000g"`, `"001fff0000000000000000000000000a00"`} {
		if err := json.Unmarshal([]byte(bad), &read); err == nil {
			t.Errorf("%s is read as an id", bad)
		}
	}
}

func TestReasons(t *testing.T) {
	// The numbers are those of the wire protocol, the keys those of the control API: neither may change.
	for want, r := range map[string]Reason{
		"hung_up": 1, "declined": 2, "busy": 3, "no_answer": 4, "do_not_disturb": 5, "cancelled": 6, "unknown_call": 7,
		"lost_too_long": 8, "failed": 9, "unreachable": 128, "wrong_identity": 129, "reason_77": 77,
	} {
		if r.Key() != want {
			t.Errorf("the key of %d is %s, want %s", uint8(r), r.Key(), want)
		}
	}
	if got := Reason(77).String(); got != "ended (reason 77)" {
		t.Errorf("a reason without a name is said as %q", got)
	}
	if got := NoAnswer.String(); got != "no answer" {
		t.Errorf("NoAnswer is said as %q", got)
	}
}
