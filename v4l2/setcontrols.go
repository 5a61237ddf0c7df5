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
	Requested     string // the value as given to SetControls
}

// SetControls sets several controls like SetControl. It sets switches before
// the controls that they enable. It checks all names and values before it sets
// the first one. If the camera then rejects one, SetControls stops.
//
// It returns the changes that were made, also together with an error. The
// errors are those of SetControl.
func SetControls(k Kernel, device string, want map[string]string) ([]Change, error) {
	k = orLinux(k)
	var made []Change
	err := withHandle(k, device, func(d Device, h Handle) error {
		s := setter{kernel: k, device: d, handle: h}
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if err := s.add(name, want[name]); err != nil {
				return err
			}
		}
		for _, w := range s.requests {
			if err := s.validate(w); err != nil {
				return err
			}
		}
		slices.SortStableFunc(s.requests, byRank)
		for _, w := range s.requests {
			c, err := s.apply(w)
			if err != nil {
				return err
			}
			made = append(made, c)
		}
		return nil
	})
	return made, err
}

func byRank(a, b request) int {
	return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.id, b.id))
}

// validate checks a request before any is set. It cannot check Inactive, which
// depends on the earlier requests.
func (s *setter) validate(w request) error {
	if _, problem := w.parse(w.value); problem != "" {
		return s.reject(w, ErrBadValue, problem, nil)
	}
	if w.ReadOnly {
		return s.reject(w, ErrInactive, readOnlyMessage, nil)
	}
	return nil
}

// apply executes one request and reads the control before and after.
func (s *setter) apply(w request) (Change, error) {
	c := Change{Before: w.Control, Requested: w.value}
	if err := c.Before.read(s.handle); err != nil {
		return c, err
	}
	if err := s.set(w); err != nil {
		return c, err
	}
	// Query again: setting a control may change its flags and other ranges.
	q := uapi.QueryExtCtrl{ID: w.id}
	if err := s.handle.QueryControl(&q); err != nil {
		return c, s.setError(w, err)
	}
	c.After = describe(s.handle, &q)
	return c, c.After.read(s.handle)
}
