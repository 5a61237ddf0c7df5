package doctor

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"vchat/daemon/api"
)

// secrets maps what a report must not contain to what stands for it, in lower
// case.
type secrets map[string]string

// add makes a placeholder stand for a value.
func (s secrets) add(value, placeholder string) {
	value = strings.ToLower(strings.TrimSpace(value))
	if value == "" {
		return
	}
	if _, taken := s[value]; !taken {
		s[value] = placeholder
	}
}

// address makes placeholders for "HOST:PORT" and its host.
func (s secrets) address(address, placeholder string) {
	if host, _, err := net.SplitHostPort(address); err == nil {
		s.add(host, placeholder)
		if first, _, ok := strings.Cut(host, "."); ok {
			s.add(first, placeholder)
		}
		return
	}
	s.add(address, placeholder)
}

// secrets returns the names, ids, addresses and paths that the findings may
// contain. What has a form of its own (IP and MAC addresses, other paths) is
// found by that form.
func (f *facts) secrets() secrets {
	s := secrets{}
	s.add(f.line("/proc/sys/kernel/hostname"), "this-device")
	if first, _, ok := strings.Cut(f.line("/proc/sys/kernel/hostname"), "."); ok {
		s.add(first, "this-device")
	}
	s.add(f.status.Name, "this-device")
	s.add(f.status.ID, "id-0")
	for i, p := range f.status.Peers {
		n := i + 1
		s.add(p.Name, fmt.Sprintf("peer-%d", n))
		s.add(p.ID, fmt.Sprintf("id-%d", n))
		s.address(p.Address, fmt.Sprintf("host-%d", n))
		s.address(p.Link.Remote, fmt.Sprintf("host-%d", n))
	}
	for i, r := range f.status.Refused {
		s.add(r.ID, fmt.Sprintf("stranger-%d", i+1))
		s.add(r.Name, fmt.Sprintf("stranger-%d", i+1))
		s.address(r.Address, fmt.Sprintf("stranger-%d", i+1))
	}
	if p := f.status.Pairing; p != nil {
		s.add(p.Claimed, "stranger-0")
		s.add(p.ID, "stranger-0")
		s.add(p.Peer, "stranger-0")
		s.address(p.Address, "stranger-0")
	}
	s.device(f.status.Camera.Device)
	if d := f.diagnosis; d != nil {
		s.device(d.Camera.Device)
		s.path(d.ConfigFile)
		s.path(d.StateDir.Path)
	}
	s.path(f.socket)
	if f.UID != 0 {
		s.add(f.User, "the-user")
	}
	return s
}

// device adds a camera that is a file or a command: both may contain secrets.
func (s secrets) device(device string) {
	if kind, rest, ok := strings.Cut(device, ":"); ok && (kind == "file" || kind == "exec") {
		s.add(rest, "…")
	}
}

// path adds a path with a space, of which pathPattern finds only a part.
func (s secrets) path(p string) {
	if strings.ContainsFunc(p, unicode.IsSpace) {
		s.add(p, "/…")
	}
}

// Report returns the result without what identifies the user, the devices or
// the network: the same value gets the same placeholder everywhere.
func (r Result) Report() Result {
	r.Findings = slices.Clone(r.Findings)
	for i := range r.Findings {
		x := &r.Findings[i]
		if x.quotes {
			x.Message = "a fault in the file; left out here, because it quotes the file"
		}
		x.Name, x.Message, x.Hint = r.secrets.hide(x.Name), r.secrets.hide(x.Message), r.secrets.hide(x.Hint)
	}
	return r
}

// minAnywhere is the length from which a value is hidden inside words, too. A
// shorter one would be found in many words by chance.
const minAnywhere = 4

// pattern returns a regular expression that is compiled when it is first
// called: the others of this file, vchatd too, must start fast.
func pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// The forms of values that are in no list. Each is tried at the beginning of a
// word.
var (
	// quotedPattern is what %q prints: often a name that another device claims.
	quotedPattern = pattern(`^"(?:[^"\\]|\\.)*"`)
	urlPattern    = pattern(`^[A-Za-z][A-Za-z0-9+.-]*://[^\s"']+`)
	idPattern     = pattern(`^([A-Z2-7]{5}(-[A-Z2-7]{1,5})*-…|` +
		`[A-Z2-7]{5}(-[A-Z2-7]{1,5})+\b|(?i:[A-Z2-7]{5}(-[A-Z2-7]{5}){2,}\b))`)
	macPattern = pattern(`^(?i)[0-9a-f]{2}([:-][0-9a-f]{2}){5}`)
	// nicPattern is an interface that is named after its MAC address.
	nicPattern = pattern(`^[a-z]{2}x[0-9a-f]{12}`)
	// hostPattern is a name with dots whose last part is no number.
	hostPattern = pattern(`^[\pL\pN_][\pL\pN_-]*(\.[\pL\pN_-]+)*\.[\pL][\pL\pN-]+`)
	pathPattern = pattern(`^/[^\s"',;()]*`)
	// addressChars are those of an IP address, with zone, in brackets or not.
	addressChars = pattern(`^\[?[0-9a-fA-F:.]+(%[^\s\]]*)?\]?(:\d+)?`)
	serialNumber = pattern(`(?i)^[0-9a-f]{12,}`)
)

// publicPaths are beginnings of paths that are the same on every device.
var publicPaths = []string{
	"/etc/vchat.yaml", "/run/vchat/", "/var/lib/vchat", "/usr/bin/vchat", "/dev/video", "/sys/class/", "/v1/",
}

// publicNames are names with dots that are not of a host.
var publicNames = []string{".service", ".socket", ".yaml", ".sock", ".md", ".powersave", ".format", ".size", ".fps"}

// hide returns a text without secrets.
func (s secrets) hide(text string) string {
	values := slices.SortedFunc(func(yield func(string) bool) {
		for v := range s {
			if !yield(v) {
				return
			}
		}
	}, func(a, b string) int { return cmp.Or(len(b)-len(a), cmp.Compare(a, b)) })
	var out strings.Builder
	before := ' '
	for text != "" {
		n, placeholder := s.match(values, text, !isWord(before))
		if n == 0 {
			r, size := utf8.DecodeRuneInString(text)
			out.WriteString(text[:size])
			before, text = r, text[size:]
			continue
		}
		public := placeholder == text[:n]
		n = s.extend(values, text, n)
		if public {
			placeholder = s.hideKnown(values, text[:n])
		}
		out.WriteString(placeholder)
		before, text = ' ', text[n:]
	}
	return out.String()
}

// extend returns n, or the end of a value that begins before n and ends behind
// it: without its beginning it would not be found.
func (s secrets) extend(values []string, text string, n int) int {
	for i := 1; i < n; i++ {
		size, _ := s.match(values, text[i:], false)
		n = max(n, i+size)
	}
	return n
}

// hideKnown returns a public path or name without the values that stand in it.
func (s secrets) hideKnown(values []string, text string) string {
	var out strings.Builder
	for _, public := range publicPaths {
		if rest, ok := strings.CutPrefix(text, public); ok {
			out.WriteString(public)
			text = rest
			break
		}
	}
	for text != "" {
		n, placeholder := s.match(values, text, false)
		if n == 0 {
			_, n = utf8.DecodeRuneInString(text)
			placeholder = text[:n]
		}
		out.WriteString(placeholder)
		text = text[n:]
	}
	return out.String()
}

// match returns the length of the secret at the beginning of text, and what
// stands for it. atWord means that a word begins here.
func (s secrets) match(values []string, text string, atWord bool) (n int, placeholder string) {
	for _, v := range values {
		if n := prefixFold(text, v); n > 0 {
			next, _ := utf8.DecodeRuneInString(text[n:])
			if utf8.RuneCountInString(v) >= minAnywhere || atWord && (text[n:] == "" || !isWord(next)) {
				return n, s[v]
			}
		}
	}
	if !atWord {
		return 0, ""
	}
	return matchForm(text)
}

// matchForm returns the length of what has the form of a secret.
func matchForm(text string) (n int, placeholder string) {
	for _, form := range []struct {
		pattern     func() *regexp.Regexp
		placeholder string
	}{
		{quotedPattern, `"…"`}, {urlPattern, "URL"}, {idPattern, "ID…"}, {macPattern, "MAC"}, {nicPattern, "wifi…"},
		{serialNumber, "SERIAL"},
	} {
		if m := form.pattern().FindString(text); m != "" {
			return len(m), form.placeholder
		}
	}
	if m := pathPattern().FindString(text); len(m) > 1 && !isPublicPath(m) {
		return len(m), "/…"
	} else if m != "" {
		return len(m), m
	}
	for m := addressChars().FindString(text); m != ""; m = m[:len(m)-1] {
		if isAddress(m) {
			return len(m), "IP"
		}
		if !strings.HasSuffix(m, ".") && !strings.HasSuffix(m, ":") { // as at the end of a clause
			break
		}
	}
	if m := hostPattern().FindString(text); m != "" {
		if slices.ContainsFunc(publicNames, func(suffix string) bool { return strings.HasSuffix(m, suffix) }) {
			return len(m), m
		}
		return len(m), "HOST"
	}
	return 0, ""
}

func isPublicPath(p string) bool {
	clean := path.Clean(p)
	return slices.ContainsFunc(publicPaths, func(public string) bool { return strings.HasPrefix(clean, public) })
}

// isAddress reports whether a text is an IP address, with a port or not.
func isAddress(text string) bool {
	if _, err := netip.ParseAddrPort(text); err == nil {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return err == nil
}

// prefixFold returns the length of the beginning of text that equals a value in
// lower case; 0 if it does not.
func prefixFold(text, lower string) int {
	rest := lower
	for i, r := range text {
		if rest == "" {
			return i
		}
		want, size := utf8.DecodeRuneInString(rest)
		if unicode.ToLower(r) != want {
			return 0
		}
		rest = rest[size:]
	}
	if rest != "" {
		return 0
	}
	return len(text)
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' }

// Head returns the first lines of a report: what helps to understand it.
func (s *System) Head() string {
	return fmt.Sprintf("vchat %s, Linux %s, %s\n", api.Version, secrets{}.hide(s.Release), secrets{}.hide(s.board()))
}
