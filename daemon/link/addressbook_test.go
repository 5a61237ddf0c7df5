package link

import (
	"slices"
	"testing"
)

func TestAddressBook_candidates(t *testing.T) {
	for _, tt := range []struct {
		name string
		book addressBook
		want []string
	}{
		{"empty", addressBook{}, nil},
		{"resolved", addressBook{resolved: []string{"a", "b"}}, []string{"a", "b"}},
		{"not resolved", addressBook{lastGood: "c"}, []string{"c"}},
		{"last good one first", addressBook{resolved: []string{"a", "b"}, lastGood: "b"}, []string{"b", "a"}},
		{"last good one not resolved any more",
			addressBook{resolved: []string{"a", "b"}, lastGood: "c"}, []string{"c", "a", "b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.book.candidates(); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAddressBook_candidatesAreCopies(t *testing.T) {
	b := addressBook{resolved: append(make([]string, 0, 8), "a", "b")}
	got := append(b.candidates(), "of one attempt")
	_ = append(b.candidates(), "of another")
	if want := "of one attempt"; got[2] != want {
		t.Errorf("got %q, want %q", got[2], want)
	}
}
