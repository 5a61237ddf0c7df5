package config

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// An id is the SHA-256 of a device's public key (the SPKI's DER) in base32 (RFC 4648, no padding): 52 characters, in
// four blocks of 13, each with two check characters behind it. It is shown in twelve groups of five, so that a block
// is three groups:
//
//	AAAAA-AAAAA-AAAcc-BBBBB-BBBBB-BBBcc-CCCCC-CCCCC-CCCcc-DDDDD-DDDDD-DDDcc
//
// The check characters are the CRC-10/ATM of the block's 13 values (0 to 31, one byte each), high five bits first.
const (
	alphabet  = upper + "234567"
	blockData = 13
	blockLen  = blockData + 2
	idLen     = 4 * blockLen
	groupLen  = 5
)

// likely is the letter that is meant by a digit that no id has.
var likely = map[rune]string{'0': "O", '1': "I", '8': "B", '9': "G"}

// id takes an id in any spelling and keeps it in the one that is shown.
func (r *reader) id(dst *string) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		s, ok := r.line(path, n)
		if !ok || s == "" {
			return // an absent id is the whole peer's fault
		}
		shown, err := normaliseID(s)
		if err != nil {
			r.fault(n, "%s %v", path, err)
			return
		}
		*dst = shown
	}
}

// normaliseID returns an id in capitals with its hyphens, or what is wrong with it.
func normaliseID(s string) (string, error) {
	var values []byte
	for _, c := range s {
		switch {
		case c == '-' || c == ' ':
			continue
		case c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		}
		v := strings.IndexRune(alphabet, c)
		if v < 0 {
			group := len(values)/groupLen + 1
			if letter, ok := likely[c]; ok {
				return "", fmt.Errorf("has a %c in group %d, which no id has: probably it is the letter %s", c, group, letter)
			}
			return "", fmt.Errorf("has a %s in group %d: an id is of A-Z and 2-7", quote(string(c)), group)
		}
		values = append(values, byte(v))
	}
	if len(values) != idLen {
		return "", fmt.Errorf("must be 12 groups of 5 characters, 60 in all, not %d", len(values))
	}
	var wrong []string
	for at := 0; at < idLen; at += blockLen {
		block := values[at : at+blockLen]
		check := crc10(block[:blockData])
		// 256 bits are 51 characters and one bit: the lowest four of the 52nd are always 0.
		overhang := at+blockLen == idLen && block[blockData-1]&15 != 0
		if overhang || block[blockData] != byte(check>>5) || block[blockData+1] != byte(check&31) {
			first := at/groupLen + 1
			wrong = append(wrong, fmt.Sprintf("groups %d to %d (%s)", first, first+2, grouped(block)))
		}
	}
	if wrong != nil {
		return "", fmt.Errorf("has a typing error in %s", strings.Join(wrong, " and in "))
	}
	return grouped(values), nil
}

// grouped spells values as they are shown.
func grouped(values []byte) string {
	var b strings.Builder
	for i, v := range values {
		if i > 0 && i%groupLen == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(alphabet[v])
	}
	return b.String()
}

// crc10 is CRC-10/ATM (ITU-T I.610): polynomial 0x233, nothing reflected or inverted.
func crc10(b []byte) uint16 {
	var crc uint16
	for _, v := range b {
		crc ^= uint16(v) << 2
		for range 8 {
			crc <<= 1
			if crc&0x400 != 0 {
				crc ^= 0x400 | 0x233
			}
		}
	}
	return crc
}
