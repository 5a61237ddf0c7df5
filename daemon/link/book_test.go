package link

import (
	"slices"
	"testing"
)

func TestTheAddressThatWorkedIsFirst(t *testing.T) {
	for _, tt := range []struct {
		book book
		want []string
	}{
		{book{}, nil},
		{book{known: []string{"a", "b"}}, []string{"a", "b"}},
		{book{good: "c"}, []string{"c"}},
		{book{known: []string{"a", "b"}, good: "b"}, []string{"b", "a"}},
		{book{known: []string{"a", "b"}, good: "c"}, []string{"c", "a", "b"}},
	} {
		if got := tt.book.candidates(); !slices.Equal(got, tt.want) {
			t.Errorf("%+v gives %q, want %q", tt.book, got, tt.want)
		}
	}
}

func TestAttemptsShareNoAddresses(t *testing.T) {
	b := book{known: append(make([]string, 0, 8), "a", "b")}
	one := append(b.candidates(), "of one attempt")
	_ = append(b.candidates(), "of another")
	if one[2] != "of one attempt" {
		t.Errorf("one attempt is to dial %q", one)
	}
}
