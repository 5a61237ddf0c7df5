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

// ID is a device's identity: the SHA-256 of its public key as a DER SubjectPublicKeyInfo. To know a device is to know
// its ID; its name, address and certificate prove nothing.
type ID [sha256.Size]byte

// ErrID is wrapped by every error of ParseID.
var ErrID = errors.New("not a device id")

// The text form: 52 base32 characters in four blocks, behind each two check characters, shown in groups of five. A
// block is three groups, so that a typing error is found to within 15 characters.
const (
	idBlocks     = 4
	blockData    = 13 // characters of the hash in a block
	blockLen     = blockData + 2
	idLen        = idBlocks * blockLen
	groupLen     = 5
	groupsPerRun = blockLen / groupLen
)

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" // RFC 4648

var encoding = base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)

// Compare orders ids byte by byte, as the protocol does to find which of two devices chooses.
func (id ID) Compare(other ID) int { return bytes.Compare(id[:], other[:]) }

// String gives the text form, of 71 characters: twelve groups of five with '-' between them.
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

// ParseID reads the text form. It ignores '-', white space and case, and says in words what is wrong, and where.
func ParseID(s string) (ID, error) {
	plain, err := compact(s)
	if err != nil {
		return ID{}, err
	}
	if len(plain) != idLen {
		return ID{}, fmt.Errorf("%w: %d characters instead of %d", ErrID, len(plain), idLen)
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
	// The alphabet and the length are as they must be: it cannot fail.
	if _, err := encoding.Decode(id[:], []byte(hash.String())); err != nil {
		return ID{}, fmt.Errorf("%w: %w", ErrID, err)
	}
	// 52 characters hold four bits more than the hash has. Were they not held to zero, an id had 16 spellings.
	if encoding.EncodeToString(id[:]) != hash.String() {
		return ID{}, typingError(idBlocks - 1)
	}
	return id, nil
}

func typingError(block int) error {
	first := block*groupsPerRun + 1
	return fmt.Errorf("%w: typing error in groups %d–%d", ErrID, first, first+groupsPerRun-1)
}

// maxTyped bounds what is looked at: an id with room for any spacing.
const maxTyped = 1024

// compact leaves the characters that count, in upper case, and refuses those that no id has.
func compact(s string) (string, error) {
	if len(s) > maxTyped {
		return "", fmt.Errorf("%w: %d characters instead of %d", ErrID, len(s), idLen)
	}
	var plain strings.Builder
	for _, r := range s {
		if r == '-' || unicode.IsSpace(r) {
			continue
		}
		c := r
		if 'a' <= c && c <= 'z' { // not unicode.ToUpper: it makes an I of ı and an S of ſ
			c -= 'a' - 'A'
		}
		if !strings.ContainsRune(alphabet, c) {
			return "", impossible(r, plain.Len()/groupLen+1)
		}
		plain.WriteRune(c)
	}
	return plain.String(), nil
}

// lookalikes are the digits that base32 leaves out, and what was likely read as them.
var lookalikes = map[rune]string{'0': "the letter O", '1': "the letter I or L", '8': "the letter B", '9': "the letter G"}

func impossible(r rune, group int) error {
	if likely, ok := lookalikes[r]; ok {
		return fmt.Errorf("%w: %c in group %d, where no id has that digit: perhaps %s is meant", ErrID, r, group, likely)
	}
	return fmt.Errorf("%w: %q in group %d: an id has only the letters A–Z and the digits 2–7", ErrID, r, group)
}

// checkCharacters gives the CRC-10/ATM of a block's characters, each as one byte with its value in the alphabet, as
// two characters.
func checkCharacters(block string) string {
	const polynomial = 0x233
	crc := 0
	for i := range len(block) {
		crc ^= strings.IndexByte(alphabet, block[i]) << 2 // the byte's highest bit meets the register's
		for range 8 {
			crc <<= 1
			if crc&(1<<10) != 0 {
				crc ^= 1<<10 | polynomial
			}
		}
	}
	return string([]byte{alphabet[crc>>5], alphabet[crc&31]})
}
