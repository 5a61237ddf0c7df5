package wire

import (
	"fmt"
	"slices"
)

// Hello is the first message each way. Its fields stay where they are in every version.
type Hello struct {
	VersionMin, VersionMax uint16   // the versions spoken; from 1, VersionMin not above VersionMax
	Name                   string   // the device's name for itself, at most MaxName bytes; it proves nothing
	Software               string   // for people and logs: "vchat 0.1.0"; at most MaxName bytes
	Features               []string // at most MaxFeatures of at most MaxFeature bytes: a–z, 0–9, '-'
}

// The features of version 1.
const (
	FeatureJPEG   = "jpeg"   // shows JPEG frames; every device must
	FeatureYUYV   = "yuyv"   // shows raw frames
	FeatureLZ4    = "lz4"    // unpacks raw frames
	FeatureDelta  = "delta"  // unpacks them from differences
	FeatureText   = "text"   // shows text
	FeatureResume = "resume" // holds a call without a link
)

func (*Hello) Type() Type { return TypeHello }

// Agree finds the version that both sides speak: the highest. An error wraps ErrVersion and says in words what each
// side speaks; it fits a Bye with CodeVersion. Both sides come to the same result.
func Agree(a, b Hello) (version uint16, err error) {
	lowest, highest := max(a.VersionMin, b.VersionMin), min(a.VersionMax, b.VersionMax)
	if lowest > highest {
		return 0, fmt.Errorf("%w: %s speaks %s, %s speaks %s", ErrVersion, a.who(), a.versions(), b.who(), b.versions())
	}
	for _, h := range []Hello{a, b} {
		if !slices.Contains(h.Features, FeatureJPEG) {
			return 0, fmt.Errorf("%w: %s does not take JPEG frames, which every device must", ErrVersion, h.who())
		}
	}
	return highest, nil
}

// Features gives the features that both sides have, sorted, each once.
func CommonFeatures(a, b Hello) []string {
	var both []string
	for _, f := range a.Features {
		if slices.Contains(b.Features, f) {
			both = append(both, f)
		}
	}
	slices.Sort(both)
	return slices.Compact(both)
}

func (m Hello) who() string {
	if m.Name == "" {
		return "a device without a name"
	}
	return fmt.Sprintf("%q", m.Name)
}

func (m Hello) versions() string {
	if m.VersionMin == m.VersionMax {
		return fmt.Sprintf("version %d", m.VersionMin)
	}
	return fmt.Sprintf("versions %d to %d", m.VersionMin, m.VersionMax)
}

func (m *Hello) validate() error {
	if m.VersionMin < 1 || m.VersionMin > m.VersionMax {
		return fmt.Errorf("%w: versions %d to %d", ErrBadValue, m.VersionMin, m.VersionMax)
	}
	if err := checkString("name", m.Name, MaxName); err != nil {
		return err
	}
	if err := checkString("software", m.Software, MaxName); err != nil {
		return err
	}
	if len(m.Features) > MaxFeatures {
		return fmt.Errorf("%w: %d features, at most %d", ErrTooLong, len(m.Features), MaxFeatures)
	}
	for _, f := range m.Features {
		if err := checkFeature(f); err != nil {
			return err
		}
	}
	return nil
}

func (m *Hello) appendTo(dst []byte) []byte {
	dst = appendU16(appendU16(dst, m.VersionMin), m.VersionMax)
	dst = appendString(appendString(dst, m.Name), m.Software)
	dst = append(dst, byte(len(m.Features)))
	for _, f := range m.Features {
		dst = appendString(dst, f)
	}
	return dst
}

func (m *Hello) decode(f *decoder) {
	m.VersionMin, m.VersionMax = f.u16(), f.u16()
	m.Name, m.Software = f.string(MaxName), f.string(MaxName)
	n := int(f.u8())
	if n > MaxFeatures {
		f.fail(fmt.Errorf("%w: %d features, at most %d", ErrTooLong, n, MaxFeatures))
		return
	}
	for range n {
		m.Features = append(m.Features, f.string(MaxFeature))
		if f.err != nil {
			return
		}
	}
}
