package render

import (
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/unicode/bidi"
)

const (
	zeroWidthJoiner    = '\u200D'
	leftToRightMark    = '\u200E'
	rightToLeftMark    = '\u200F'
	rightToLeftIsolate = '\u2067'
	keycap             = '\u20E3' // around the digit before
)

// isControl reports whether a character after another one only controls how
// others look, and may: it joins letters or separates them, or it is a mark of
// direction that cannot reorder the text before it.
func isControl(c, after rune) bool {
	switch {
	case c == leftToRightMark, c == rightToLeftMark, c == 0x061C, c >= 0x2066 && c <= 0x2069:
		return true
	case c >= 0x200B && c <= zeroWidthJoiner, c >= 0x180B && c <= 0x180F, c == 0x034F:
		return unicode.In(after, unicode.L, unicode.M)
	}
	return false
}

// rightToLeft reports whether the first letter of a text is written from right
// to left: then the whole text is.
func rightToLeft(text string) bool {
	for _, c := range text {
		p, _ := bidi.LookupRune(c)
		switch p.Class() {
		case bidi.R, bidi.AL:
			return true
		case bidi.L:
			return false
		}
	}
	return false
}

// isolated returns a message behind a name. Text from right to left stays in
// its own order: a question mark at its end does not go to the other end.
func isolated(line string) string {
	name, message, ok := strings.Cut(line, ": ")
	if !ok || rightToLeft(name) || !rightToLeft(message) {
		return line
	}
	return name + ": " + string(rightToLeftIsolate) + string(rightToLeftMark) + message
}

// isEmoji reports whether a character is a pictograph.
func isEmoji(c rune) bool {
	return c >= 0x1F000 && c <= 0x1FAFF || c >= 0x2600 && c <= 0x27BF || c >= 0x2B00 && c <= 0x2BFF ||
		c >= 0x2300 && c <= 0x23FF
}

// emojiName returns the short name of an emoji that no font has.
func emojiName(c rune) string {
	switch {
	case c >= 0x1F3FB && c <= 0x1F3FF: // the color of the skin before
		return ""
	case c >= 0x1F1E6 && c <= 0x1F1FF: // a letter of a flag
		return string('A' + c - 0x1F1E6)
	}
	if name := emojiNames()[c]; name != "" {
		return ":" + name + ":"
	}
	return ":emoji:"
}

// emojiNames are those that people send most, as CLDR names them. Like the
// other tables, it is made when it is first used: vchatd is the same program.
var emojiNames = sync.OnceValue(func() map[rune]string {
	return map[rune]string{
		'❤': "red heart", '☀': "sun", '☎': "telephone", '☕': "hot beverage", '☹': "frowning face", '☺': "smiling face",
		'♥': "heart", '⚠': "warning", '⚡': "high voltage", '⛄': "snowman", '✅': "check mark", '✈': "airplane",
		'✉': "envelope", '✋': "raised hand", '✌': "victory hand", '✔': "check mark", '✨': "sparkles", '❄': "snowflake",
		'❌': "cross mark", '❓': "question mark", '❗': "exclamation mark", '⭐': "star", '⏰': "alarm clock",
		'🌈': "rainbow", '🌙': "moon", '🌞': "sun with face", '🌸': "cherry blossom", '🌹': "rose", '🍀': "clover",
		'🍕': "pizza", '🍺': "beer mug", '🍻': "beer mugs", '🎁': "gift", '🎂': "birthday cake", '🎄': "christmas tree",
		'🎈': "balloon", '🎉': "party popper", '🎵': "musical note", '🏠': "house", '🐱': "cat face", '🐶': "dog face",
		'👦': "boy", '👧': "girl", '👨': "man", '👩': "woman", '🧑': "person", '👶': "baby", '👪': "family",
		'👀': "eyes", '👋': "waving hand", '👌': "OK hand", '👍': "thumbs up", '👎': "thumbs down", '👏': "clapping hands",
		'💐': "bouquet", '💔': "broken heart", '💕': "two hearts", '💖': "sparkling heart", '💙': "blue heart",
		'💚': "green heart", '💛': "yellow heart", '💜': "purple heart", '💤': "zzz", '💩': "pile of poo",
		'💪': "flexed biceps", '💯': "hundred points", '📞': "telephone receiver", '📷': "camera", '🔥': "fire",
		'😀': "grinning face", '😁': "beaming face", '😂': "tears of joy", '😃': "grinning face", '😄': "grinning face",
		'😅': "grinning face with sweat", '😆': "squinting face", '😉': "winking face", '😊': "smiling face",
		'😋': "savoring face", '😍': "heart eyes", '😎': "sunglasses", '😏': "smirking face", '😐': "neutral face",
		'😔': "pensive face", '😘': "kiss", '😜': "winking face with tongue", '😞': "disappointed face", '😠': "angry face",
		'😡': "angry face", '😢': "crying face", '😥': "sad face", '😩': "weary face", '😭': "crying face",
		'😮': "open mouth", '😱': "screaming face", '😳': "flushed face", '😴': "sleeping face", '🙁': "frowning face",
		'🙂': "smiling face", '🙃': "upside-down face", '🙄': "rolling eyes", '🙈': "see-no-evil monkey",
		'🙏': "folded hands",
		'🚀': "rocket", '🚗': "car", '🤔': "thinking face", '🤗': "hugging face", '🤝': "handshake", '🤞': "crossed fingers",
		'🤣': "rolling on the floor laughing", '🤦': "facepalm", '🤷': "shrug", '🥰': "hearts", '🥳': "partying face",
		'🥺': "pleading face", '🧡': "orange heart",
	}
})

// scriptOf returns the script of a character, or "" for one of several scripts.
func scriptOf(c rune) string {
	for name, table := range unicode.Scripts {
		if name != "Common" && name != "Inherited" && unicode.Is(table, c) {
			return strings.ReplaceAll(name, "_", " ")
		}
	}
	return ""
}

// isMark reports whether a character belongs to the letter before.
func isMark(c rune) bool { return unicode.Is(unicode.M, c) }
