package config

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// An id is the SHA-256 of a device's public key (DER of its SPKI) in base32
// (RFC 4648, no padding). The 52 characters form four blocks of 13, each
// followed by two check characters. They are written in twelve groups of five,
// three groups a block:
//
//	AAAAA-AAAAA-AAAcc-BBBBB-BBBBB-BBBcc-CCCCC-CCCCC-CCCcc-DDDDD-DDDDD-DDDcc
//
// The check characters are the CRC-10/ATM of the block's 13 values (0 to 31,
// one byte each), high five bits first.
const (
	alphabet  = upperLetters + "234567"
	blockData = 13
	blockLen  = blockData + 2
	idLen     = 4 * blockLen
	groupLen  = 5
)

// likelyLetter maps digits that no id contains to similar letters.
var likelyLetter = map[rune]string{'0': "O", '1': "I", '8': "B", '9': "G"}

// id reads an id in any spelling and stores it in the canonical one.
func (r *reader) id(dst *string) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		s, ok := r.singleLine(path, n)
		if !ok || s == "" {
			return // peers reports a missing id
		}
		id, err := normaliseID(s)
		if err != nil {
			r.fault(n, "%s %v", path, err)
			return
		}
		*dst = id
	}
}

// normaliseID returns an id in upper case with hyphens. The error describes the
// first wrong character, or all wrong blocks.
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
			if letter, ok := likelyLetter[c]; ok {
				return "", fmt.Errorf("has a %c in group %d: an id has no such digit, use the letter %s",
					c, group, letter)
			}
			return "", fmt.Errorf("has a %s in group %d: an id consists of A-Z and 2-7", quote(string(c)), group)
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
		// 256 bits are 51 characters and one bit. The other four bits of the
		// last character must be 0.
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

// grouped returns the characters of values in groups with hyphens.
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

// crc10 returns the CRC-10/ATM (ITU-T I.610): polynomial 0x233, not reflected,
// not inverted.
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
