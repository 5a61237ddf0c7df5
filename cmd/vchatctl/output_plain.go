package main

import (
	"cmp"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"
)

// plainReason returns why the terminal must get no escape sequences, or "" if
// it may get them.
func plainReason() string {
	if reason := dumbReason(); reason != "" {
		return reason
	}
	if !utf8Locale() {
		return "the locale is not UTF-8"
	}
	return ""
}

// dumbReason returns why the terminal knows no escape sequences, or "" if it
// does.
func dumbReason() string {
	switch name := os.Getenv("TERM"); name {
	case "":
		return "TERM is not set"
	case "dumb", "unknown":
		return "TERM is " + name
	}
	return ""
}

// utf8Locale reports whether the character set of the locale is UTF-8; see
// locale(7).
func utf8Locale() bool {
	locale := cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_CTYPE"), os.Getenv("LANG"))
	_, charset, _ := strings.Cut(strings.ToLower(locale), ".")
	charset, _, _ = strings.Cut(charset, "@")
	return charset == "utf-8" || charset == "utf8"
}

// plainTerminalError is the error of a viewer that needs more of a terminal
// than it has.
type plainTerminalError struct{ reason string }

func (e *plainTerminalError) Error() string {
	return fmt.Sprintf("this terminal cannot show pictures: %s", e.reason)
}

// asciiSigns has the signs that vchatctl prints.
var asciiSigns = strings.NewReplacer("×", "x", "→", "->", "…", "...", "·", "-")

// textFor returns the text to print on f. A terminal whose locale is not UTF-8
// gets only ASCII: it may take other bytes for control characters.
func textFor(f *os.File, text string) string {
	if utf8Locale() || !term.IsTerminal(int(f.Fd())) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if r > '~' {
			return '?'
		}
		return r
	}, asciiSigns.Replace(text))
}
