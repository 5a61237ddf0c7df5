package config

import (
	"strings"
	"testing"
)

// The ids of SHA-256("workshop"), SHA-256("attic") and the bytes 0 to 31,
// computed by another program.
const (
	workshopID = "5ZIQ2-GQHVR-7GJKY-EPKDE-ONDEM-OUV3V-J62KR-VRSFA-UBGBJ-BXEF5-RERCY-MKAQI"
	atticID    = "Q65RO-APOOQ-AV2GW-JKG56-I2MZH-FECKJ-KQ46C-YD3LO-JD7O2-ZQ5YP-SWQ5F-BKARB"
	countingID = "AAAQE-AYEAU-DAOVN-CAJBI-FQYDI-OB4JM-IBCEQ-TCQKR-MFYFK-YDENB-WHA5D-YPQ63"
)

func TestCRC10(t *testing.T) {
	// The check value of CRC-10/ATM in CRC catalogues.
	if got := crc10([]byte("123456789")); got != 0x199 {
		t.Errorf("got %#x, want 0x199", got)
	}
}

func TestNormaliseID(t *testing.T) {
	bare := strings.ReplaceAll(workshopID, "-", "")
	for _, spelling := range []string{
		workshopID,
		bare,
		strings.ToLower(workshopID),
		strings.ReplaceAll(workshopID, "-", " "),
		"  --" + bare[:7] + "-" + bare[7:] + " ",
	} {
		t.Run(spelling, func(t *testing.T) {
			got, err := normaliseID(spelling)
			if err != nil || got != workshopID {
				t.Errorf("got %q, %v; want %q", got, err, workshopID)
			}
		})
	}
	for _, id := range []string{atticID, countingID} {
		t.Run(id, func(t *testing.T) {
			if got, err := normaliseID(id); err != nil || got != id {
				t.Errorf("got %q, %v; want it unchanged", got, err)
			}
		})
	}
}

// Each wrong character and each swap of two neighbours is detected.
func TestNormaliseID_typingErrors(t *testing.T) {
	bare := strings.ReplaceAll(workshopID, "-", "")
	for i := range bare {
		for _, c := range []byte(alphabet) {
			if typed := bare[:i] + string(c) + bare[i+1:]; typed != bare {
				if got, err := normaliseID(typed); err == nil {
					t.Errorf("%q: got %q, want an error", typed, got)
				}
			}
		}
		if i > 0 && bare[i-1] != bare[i] {
			typed := bare[:i-1] + string(bare[i]) + string(bare[i-1]) + bare[i+1:]
			if got, err := normaliseID(typed); err == nil {
				t.Errorf("%q: got %q, want an error", typed, got)
			}
		}
	}
}

func TestNormaliseID_errors(t *testing.T) {
	change := func(old, new string) string { return strings.Replace(workshopID, old, new, 1) }
	for _, tt := range []struct{ id, want string }{
		{change("5ZIQ2", "5ZIQ"), "must be 12 groups of 5 characters, 60 in all, not 59"},
		{workshopID + "A", "must be 12 groups of 5 characters, 60 in all, not 61"},
		{"-", "must be 12 groups of 5 characters, 60 in all, not 0"},
		{change("ONDEM", "0NDEM"), "has a 0 in group 5: an id has no such digit, use the letter O"},
		{change("5ZIQ2", "5Z1Q2"), "has a 1 in group 1: an id has no such digit, use the letter I"},
		{change("UBGBJ", "UB68J"), "has a 8 in group 9: an id has no such digit, use the letter B"},
		{change("MKAQI", "MKAQ9"), "has a 9 in group 12: an id has no such digit, use the letter G"},
		{change("GQHVR", "GQH_R"), `has a "_" in group 2: an id consists of A-Z and 2-7`},
		{change("GQHVR", "GQHÄR"), `has a "Ä" in group 2: an id consists of A-Z and 2-7`},
		{change("5ZIQ2", "5ZIQ3"), "has a typing error in groups 1 to 3 (5ZIQ3-GQHVR-7GJKY)"},
		{change("7GJKY", "7GJYK"), "has a typing error in groups 1 to 3 (5ZIQ2-GQHVR-7GJYK)"},
		{change("OUV3V-J62KR", "OVU3V-J26KR"), "has a typing error in groups 4 to 6 (EPKDE-ONDEM-OVU3V) " +
			"and in groups 7 to 9 (J26KR-VRSFA-UBGBJ)"},
		// The check characters are right, but the unused bits of the last data
		// character are not 0.
		{strings.Repeat("A", 45) + "AAAAA-AAAAA-AABRT", "has a typing error in groups 10 to 12 (AAAAA-AAAAA-AABRT)"},
	} {
		t.Run(tt.id, func(t *testing.T) {
			if got, err := normaliseID(tt.id); err == nil || err.Error() != tt.want {
				t.Errorf("got %q, %v; want %s", got, err, tt.want)
			}
		})
	}
	if check := crc10(append(make([]byte, 12), 1)); grouped([]byte{byte(check >> 5), byte(check & 31)}) != "RT" {
		t.Errorf("check characters of the last case: got %#x, want RT", check)
	}
}
