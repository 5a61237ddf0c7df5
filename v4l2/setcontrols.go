package v4l2

import (
	"cmp"
	"maps"
	"slices"

	"vchat/v4l2/internal/uapi"
)

// Change is a control before and after it was set.
type Change struct {
	Before, After Control
	Requested     string // the value as it was asked for
}

// SetControls sets several controls as SetControl does, switches before what they switch. All names and values are checked before the
// first one is set. What the camera itself refuses then ends it: the changes are those made until then, also beside an error.
func SetControls(k Kernel, device string, want map[string]string) ([]Change, error) {
	k = orLinux(k)
	var made []Change
	err := ask(k, device, func(d Device, h Handle) error {
		s := setter{kernel: k, device: d, handle: h}
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if err := s.find(name, want[name]); err != nil {
				return err
			}
		}
		for _, w := range s.wishes {
			if err := s.check(w); err != nil {
				return err
			}
		}
		slices.SortStableFunc(s.wishes, byRank)
		for _, w := range s.wishes {
			c, err := s.change(w)
			if err != nil {
				return err
			}
			made = append(made, c)
		}
		return nil
	})
	return made, err
}

func byRank(a, b wish) int { return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.id, b.id)) }

// check finds what is wrong with a wish before it is tried. Whether it is inactive shows only when the others are set.
func (s *setter) check(w wish) error {
	if _, why := w.number(w.value); why != "" {
		return s.refuse(w, ErrBadValue, why, nil)
	}
	if w.ReadOnly {
		return s.refuse(w, ErrInactive, readOnly, nil)
	}
	return nil
}

func (s *setter) change(w wish) (Change, error) {
	c := Change{Before: w.Control, Requested: w.value}
	if err := c.Before.read(s.handle); err != nil {
		return c, err
	}
	if err := s.set(w); err != nil {
		return c, err
	}
	// Described anew: to set one control may move the range of another, and its own flags.
	q := uapi.QueryExtCtrl{ID: w.id}
	if err := s.handle.QueryControl(&q); err != nil {
		return c, s.failed(w, err)
	}
	c.After = describe(s.handle, &q)
	return c, c.After.read(s.handle)
}
