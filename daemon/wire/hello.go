package wire

import (
	"fmt"
	"slices"
)

// Hello is the first message of each side. Its fields keep their place in every
// version.
type Hello struct {
	VersionMin, VersionMax uint16   // supported versions: 1 ≤ VersionMin ≤ VersionMax
	Name                   string   // unauthenticated name of the device, at most MaxName bytes
	Software               string   // for display and logs: "vchat 0.1.0"; at most MaxName bytes
	Features               []string // at most MaxFeatures, each of 1 to MaxFeature characters of a–z, 0–9, '-'
	Instance               uint64   // differs between two devices with one key; 0: not sent
}

// The features of version 1.
const (
	FeatureJPEG   = "jpeg"   // displays JPEG frames; required
	FeatureYUYV   = "yuyv"   // displays raw frames
	FeatureLZ4    = "lz4"    // decompresses raw frames
	FeatureDelta  = "delta"  // decodes raw frames from differences
	FeatureText   = "text"   // displays Text
	FeatureResume = "resume" // keeps a call without a link
)

// Type implements Message.
func (*Hello) Type() Type { return TypeHello }

// Agree returns the highest version that both devices support. Both devices get
// the same result. An error wraps ErrVersion, names the versions of both
// devices, and fits into a Bye with CodeVersion.
func Agree(a, b Hello) (version uint16, err error) {
	lowest, highest := max(a.VersionMin, b.VersionMin), min(a.VersionMax, b.VersionMax)
	if lowest > highest {
		return 0, fmt.Errorf("%w: %s supports %s, %s supports %s", ErrVersion, a.device(), a.versions(), b.device(),
			b.versions())
	}
	for _, h := range []Hello{a, b} {
		if !slices.Contains(h.Features, FeatureJPEG) {
			return 0, fmt.Errorf("%w: %s does not support JPEG frames", ErrVersion, h.device())
		}
	}
	return highest, nil
}

// CommonFeatures returns the features that both devices name, sorted, without
// duplicates.
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

func (m Hello) device() string {
	if m.Name == "" {
		return "an unnamed device"
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
	if m.Instance != 0 {
		dst = appendU64(dst, m.Instance)
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
	if len(f.b) >= 8 { // early devices of version 1 do not send it
		m.Instance = f.u64()
	}
}
