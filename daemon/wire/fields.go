package wire

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// decoder reads the fields of a payload in order. After the first error all
// reads return zero values.
type decoder struct {
	b   []byte
	err error
}

func (f *decoder) fail(err error) {
	if f.err == nil {
		f.err = err
	}
	f.b = nil
}

// next returns the next n bytes, or nil.
func (f *decoder) next(n int) []byte {
	if len(f.b) < n {
		f.fail(fmt.Errorf("%w: field of %d bytes with %d left", ErrShort, n, len(f.b)))
		return nil
	}
	b := f.b[:n]
	f.b = f.b[n:]
	return b
}

func (f *decoder) u8() uint8 {
	if b := f.next(1); b != nil {
		return b[0]
	}
	return 0
}

func (f *decoder) u16() uint16 {
	if b := f.next(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (f *decoder) u32() uint32 {
	if b := f.next(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (f *decoder) u64() uint64 {
	if b := f.next(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (f *decoder) time() time.Duration { return time.Duration(f.u64()) }

func (f *decoder) call() (id CallID) {
	copy(id[:], f.next(len(id)))
	return id
}

// string reads a text of at most limit bytes. It does not check the characters;
// validate does.
func (f *decoder) string(limit int) string {
	n := int(f.u16())
	if n > limit {
		f.fail(fmt.Errorf("%w: text of %d bytes, at most %d", ErrTooLong, n, limit))
		return ""
	}
	return string(f.next(n))
}

func appendU16(dst []byte, v uint16) []byte         { return binary.BigEndian.AppendUint16(dst, v) }
func appendU32(dst []byte, v uint32) []byte         { return binary.BigEndian.AppendUint32(dst, v) }
func appendU64(dst []byte, v uint64) []byte         { return binary.BigEndian.AppendUint64(dst, v) }
func appendTime(dst []byte, t time.Duration) []byte { return appendU64(dst, uint64(t)) }

func appendString(dst []byte, s string) []byte { return append(appendU16(dst, uint16(len(s))), s...) }

func checkTime(what string, t time.Duration) error {
	if t < 0 {
		return fmt.Errorf("%w: %s of %d ns", ErrBadValue, what, int64(t))
	}
	return nil
}

// checkString checks the length of a text, its UTF-8, and that it has no
// control characters.
func checkString(what, s string, limit int) error { return checkRunes(what, s, limit, "") }

// checkText is checkString for a text that may have newlines and tabs.
func checkText(what, s string, limit int) error { return checkRunes(what, s, limit, "\n\t") }

func checkRunes(what, s string, limit int, controls string) error {
	if len(s) > limit {
		return fmt.Errorf("%w: %s of %d bytes, at most %d", ErrTooLong, what, len(s), limit)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w: %s is not UTF-8", ErrBadString, what)
	}
	for _, r := range s {
		if unicode.IsControl(r) && !strings.ContainsRune(controls, r) {
			return fmt.Errorf("%w: %s with control character U+%04X", ErrBadString, what, r)
		}
	}
	return nil
}

func checkFeature(s string) error {
	if s == "" {
		return fmt.Errorf("%w: empty feature", ErrBadValue)
	}
	if len(s) > MaxFeature {
		return fmt.Errorf("%w: feature of %d bytes, at most %d", ErrTooLong, len(s), MaxFeature)
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return fmt.Errorf("%w: feature %q has other characters than a-z, 0-9 and '-'", ErrBadString, s)
		}
	}
	return nil
}
