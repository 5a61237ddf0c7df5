package identity

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// ID identifies a device: it is the SHA-256 of the DER SubjectPublicKeyInfo of
// its key. Name, address and the rest of the certificate prove nothing.
type ID [sha256.Size]byte

// ErrID is wrapped by every error of ParseID.
var ErrID = errors.New("invalid device id")

// The text form is 52 base32 characters in four blocks, each followed by two
// check characters, written in groups of five. A block is three groups, so the
// check locates a typing error to within 15 characters.
const (
	idBlocks       = 4
	blockData      = 13 // characters of the hash in a block
	blockLen       = blockData + 2
	idLen          = idBlocks * blockLen
	groupLen       = 5
	groupsPerBlock = blockLen / groupLen
)

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" // RFC 4648

var encoding = base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)

// Compare compares ids byte by byte. The device with the smaller id is the
// arbiter in the protocol.
func (id ID) Compare(other ID) int { return bytes.Compare(id[:], other[:]) }

// String returns the text form of 71 characters: twelve groups of five,
// separated by '-'.
func (id ID) String() string {
	hash := encoding.EncodeToString(id[:])
	var plain strings.Builder
	for len(hash) > 0 {
		block := hash[:blockData]
		hash = hash[blockData:]
		plain.WriteString(block)
		plain.WriteString(checkCharacters(block))
	}
	groups := make([]string, 0, idLen/groupLen)
	for s := plain.String(); len(s) > 0; s = s[groupLen:] {
		groups = append(groups, s[:groupLen])
	}
	return strings.Join(groups, "-")
}

// ParseID parses the text form. It ignores '-', white space and case. Errors
// wrap ErrID and name the group with the fault.
func ParseID(s string) (ID, error) {
	plain, err := compact(s)
	if err != nil {
		return ID{}, err
	}
	if len(plain) != idLen {
		return ID{}, fmt.Errorf("%w: %d characters, want %d", ErrID, len(plain), idLen)
	}
	var hash strings.Builder
	for i := range idBlocks {
		block := plain[i*blockLen : (i+1)*blockLen]
		if checkCharacters(block[:blockData]) != block[blockData:] {
			return ID{}, typingError(i)
		}
		hash.WriteString(block[:blockData])
	}
	var id ID
	// Alphabet and length are checked, so Decode cannot fail.
	if _, err := encoding.Decode(id[:], []byte(hash.String())); err != nil {
		return ID{}, fmt.Errorf("%w: %w", ErrID, err)
	}
	// 52 characters have four bits more than the hash. They must be zero, or an
	// id would have 16 text forms.
	if encoding.EncodeToString(id[:]) != hash.String() {
		return ID{}, typingError(idBlocks - 1)
	}
	return id, nil
}

func typingError(block int) error {
	first := block*groupsPerBlock + 1
	return fmt.Errorf("%w: typing error in groups %d–%d", ErrID, first, first+groupsPerBlock-1)
}

// maxTextLen bounds the input in bytes. It leaves room for any spacing.
const maxTextLen = 1024

// compact returns the base32 characters in upper case. It rejects characters
// that are not in the alphabet.
func compact(s string) (string, error) {
	if len(s) > maxTextLen {
		return "", fmt.Errorf("%w: %d characters, want %d", ErrID, len(s), idLen)
	}
	var plain strings.Builder
	for _, r := range s {
		if r == '-' || unicode.IsSpace(r) {
			continue
		}
		c := r
		if 'a' <= c && c <= 'z' { // not unicode.ToUpper, which maps ı to I and ſ to S
			c -= 'a' - 'A'
		}
		if !strings.ContainsRune(alphabet, c) {
			return "", invalidCharacter(r, plain.Len()/groupLen+1)
		}
		plain.WriteRune(c)
	}
	return plain.String(), nil
}

// lookalikes maps the digits that base32 lacks to the letters they resemble.
var lookalikes = map[rune]string{'0': "the letter O", '1': "the letter I or L", '8': "the letter B",
	'9': "the letter G"}

func invalidCharacter(r rune, group int) error {
	if likely, ok := lookalikes[r]; ok {
		return fmt.Errorf("%w: digit %c in group %d is not used in ids; it may be %s", ErrID, r, group, likely)
	}
	return fmt.Errorf("%w: %q in group %d is not a letter A–Z or a digit 2–7", ErrID, r, group)
}

// checkCharacters returns the check characters of a block: the CRC-10/ATM of
// the alphabet values of its characters, one byte each.
func checkCharacters(block string) string {
	const polynomial = 0x233
	crc := 0
	for i := range len(block) {
		crc ^= strings.IndexByte(alphabet, block[i]) << 2 // align the highest bits of byte and register
		for range 8 {
			crc <<= 1
			if crc&(1<<10) != 0 {
				crc ^= 1<<10 | polynomial
			}
		}
	}
	return string([]byte{alphabet[crc>>5], alphabet[crc&31]})
}
