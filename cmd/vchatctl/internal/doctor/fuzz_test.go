package doctor

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"root:x:0:\nvideo:x:44:vchat,anna\n", "50005\n", "0x0", "480\n", "1e400", "5000",
		"Id=vchatd.service\n" +
			"ExecStart={ path=/usr/bin/vchatd ; argv[]=/usr/bin/vchatd --config /etc/vchat.yaml ; }\n\n" +
			"Id=x",
		"argv[]= --config", "ExecStart=argv[]=vchatd -config=x ;",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, g := range parseGroups(text) {
			if g.gid < 0 || g.name == "" || strings.ContainsAny(g.name, ":\n") {
				t.Errorf("%q: got group %+v", text, g)
			}
		}
		if speed, ok := parseSpeed(text); ok && !(speed > 0 && speed < 1e6) {
			t.Errorf("%q: got speed %v", text, speed)
		}
		_, _ = parseThrottled(text)
		for _, u := range parseUnits(text) {
			if len(u) == 0 {
				t.Errorf("%q: got an empty unit", text)
			}
			if strings.ContainsAny(u.configFile(), " \n") {
				t.Errorf("%q: got file %q", text, u.configFile())
			}
		}
	})
}

// What was a secret is no part of what is shown, wherever it stands.
func FuzzHide(f *testing.F) {
	f.Add("connect to ", "attic.local", ":7450: connection refused")
	f.Add("peer ", "Anna's Pi", "")
	f.Add("\"", "ÄÖÜß", "\"")
	f.Add("x", "peer-1", "-")
	f.Add("\"", "\"0000aaÄ", "\"")
	f.Add("/run/vchat/", "attic", "/key")
	f.Add("my-", "attic", ".yaml")
	f.Fuzz(func(t *testing.T, before, secret, after string) {
		secret = strings.TrimSpace(secret)
		if utf8.RuneCountInString(secret) < minAnywhere || !utf8.ValidString(secret) || len(secret) > 100 {
			return
		}
		s := secrets{}
		s.add(secret, "#")
		got := s.hide(before + secret + after)
		// A form such as a quoted text may hide more than the secret.
		if strings.Contains(got, secret) && !strings.Contains(before+after, secret) &&
			!strings.Contains("\"…\" URL ID… MAC wifi… SERIAL /… IP HOST #", secret) {
			t.Errorf("%q, secret %q: got %q", before+secret+after, secret, got)
		}
	})
}
