package daemon

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// importRules lists for each package the packages of this module that it may
// import, and why no others. A leaf imports none of them.
var importRules = map[string]struct {
	may []string
	why string
}{
	"cmd/vchat-bench": {[]string{
		"daemon/api", "daemon/client",
	}, "it measures the programs from outside"},
	"cmd/vchatctl": {[]string{
		"cmd/vchatctl/internal/...", "daemon/api", "daemon/client", "daemon/mjpeg",
		"cmd/vchatd/command", // onefile.go
	}, "it lives on the control socket, like any other program"},
	"cmd/vchatctl/internal/doctor": {[]string{
		"daemon/api", "daemon/client",
	}, "it asks the daemon and looks at the machine"},
	"cmd/vchatctl/internal/newfile": {nil, "leaf: files"},
	"cmd/vchatctl/internal/record": {[]string{
		"cmd/vchatctl/internal/newfile", "daemon/api", "daemon/client", "daemon/mjpeg",
	}, "files stay on the client's side"},
	"cmd/vchatctl/internal/view/web": {[]string{
		"cmd/vchatctl/internal/...", "daemon/api", "daemon/client", "daemon/connlimit", "daemon/mjpeg",
	}, "it serves a page as the daemon serves metrics"},
	"cmd/vchatctl/internal/view/...": {[]string{
		"cmd/vchatctl/internal/...", "daemon/api", "daemon/client", "daemon/mjpeg",
	}, "display code stays on the client's side"},
	"cmd/vchatctl/internal/view/look": {nil, "leaf: the design, for viewers of all kinds"},
	"cmd/vchatctl/internal/view/render": {[]string{
		"cmd/vchatctl/internal/view/look", "daemon/mjpeg",
	}, "it draws frames and text and does not know sessions"},
	"cmd/vchatd": {[]string{"cmd/vchatd/command"}, "a program is its command"},
	"cmd/vchatd/command": {[]string{
		"config", "daemon", "daemon/configfile", "daemon/demo", "daemon/hooks", "daemon/logging", "daemon/sandbox",
		"daemon/tune",
	}, "flags, configuration, exit codes; everything else is the daemon's"},

	"packaging/man": {nil, "for tests: the manual pages"},

	"config": {[]string{
		"daemon/smallfile", "daemon/socks",
	}, "it parses the file and does not apply it"},
	"v4l2":               {[]string{"v4l2/internal/uapi"}, "leaf: cameras, nothing of calls"},
	"v4l2/internal/uapi": {nil, "leaf: the kernel's structs and ioctls"},
	"v4l2/v4l2test":      {[]string{"v4l2", "v4l2/internal/uapi"}, "a simulated kernel"},

	"daemon": {[]string{
		"config", "daemon/api", "daemon/call", "daemon/camera", "daemon/camerastore", "daemon/configfile",
		"daemon/control",
		"daemon/discovery",
		"daemon/feeds",
		"daemon/frame", "daemon/hooks", "daemon/identity", "daemon/link", "daemon/logging", "daemon/metrics",
		"daemon/mjpeg",
		"daemon/netwatch", "daemon/pairing", "daemon/peerstore", "daemon/resolve", "daemon/smallfile",
		"daemon/socks", "daemon/transport", "daemon/tune", "daemon/wire",
	}, "it wires the others together, except the client and the test packages"},
	"daemon/api":  {nil, "leaf: what programs on both sides of the socket import"},
	"daemon/call": {nil, "leaf: pure decisions"},
	"daemon/camera": {[]string{
		"daemon/frame", "daemon/mjpeg", "daemon/sandbox", "daemon/testcard", "v4l2",
	}, "it makes frames and does not know who reads them"},
	"daemon/camerastore": {[]string{
		"config", "daemon/smallfile",
	}, "it keeps what was chosen and does not know cameras"},
	"daemon/client": {[]string{
		"daemon/api",
	}, "vchatctl must not contain the daemon"},
	"daemon/configfile": {[]string{
		"config", "daemon/smallfile",
	}, "it reads and keeps the file and does not apply it"},
	"daemon/congestion": {[]string{
		"daemon/frame", "daemon/wire",
	}, "pure: bytes, times, feedback; no net, no clocks"},
	"daemon/connlimit": {nil, "leaf: places for connections"},
	"daemon/control": {[]string{
		"daemon/api", "daemon/connlimit", "daemon/frame", "daemon/mjpeg",
	}, "it talks to a Backend that the daemon implements"},
	"daemon/control/controltest": {[]string{
		"daemon/api", "daemon/control", "daemon/frame",
	}, "a simulated device behind the socket"},
	"daemon/daemontest/...": {[]string{"..."}, "for tests"},
	"daemon/demo": {[]string{
		"config", "daemon", "daemon/api", "daemon/identity",
	}, "it starts two devices as cmd/vchatd starts one"},
	"daemon/discovery": {[]string{
		"daemon/identity", "daemon/wire",
	}, "it finds devices by their ids, with clean names; nothing of links"},
	"daemon/frame": {nil, "leaf"},
	"daemon/framecodec": {[]string{
		"daemon/frame", "daemon/mjpeg", "daemon/wire",
	}, "frame to bytes and back; nothing of links"},
	"daemon/feeds": {[]string{
		"daemon/api", "daemon/connlimit", "daemon/control", "daemon/localhttp", "daemon/smallfile",
	}, "it serves the feeds as the control socket does, to readers with a token"},
	"daemon/hooks": {[]string{
		"daemon/api", "daemon/proctree",
	}, "it runs commands on events and does not know where these come from"},
	"daemon/identity": {[]string{"daemon/smallfile"}, "keys and ids"},
	"daemon/link": {[]string{
		"daemon/congestion", "daemon/frame", "daemon/framecodec", "daemon/identity", "daemon/relay", "daemon/resolve",
		"daemon/socks", "daemon/transport", "daemon/wire",
	}, "it carries and does not decide"},
	"daemon/localhttp": {[]string{"daemon/connlimit"}, "a server; it does not know what it serves"},
	"daemon/logging":   {nil, "leaf: format and rate of log lines"},
	"daemon/metrics": {[]string{
		"daemon/localhttp",
	}, "a text format and its page"},
	"daemon/metrics/metricstest": {nil, "for tests"},
	"daemon/mjpeg":               {nil, "leaf"},
	"daemon/natlab":              {nil, "documentation of its tests, which are the only code"},
	"daemon/netwatch":            {nil, "leaf: reports changes of the network"},
	"daemon/pairing": {[]string{
		"daemon/identity",
	}, "a protocol of its own; it does not know links"},
	"daemon/peerstore": {[]string{
		"config", "daemon/identity", "daemon/smallfile",
	}, "it keeps paired peers and does not know links"},
	"daemon/relay":           {nil, "leaf: one connection to a relay"},
	"daemon/relay/relaytest": {nil, "for tests"},
	"daemon/resolve":         {nil, "leaf: names to addresses"},
	"daemon/proctree":        {nil, "leaf: a command with its processes"},
	"daemon/sandbox":         {[]string{"daemon/proctree"}, "a command apart from the daemon"},
	"daemon/smallfile":       {nil, "leaf: files"},
	"daemon/socks":           {nil, "leaf: a connection through a proxy"},
	"daemon/soak":            {nil, "documentation of its tests, which are the only code"},
	"daemon/testcard": {[]string{
		"daemon/mjpeg",
	}, "it draws images and does not know cameras or readers"},
	"daemon/transport": {[]string{"daemon/congestion"}, "one TLS connection; it does not know peers"},
	"daemon/tune":      {nil, "leaf: the Go runtime of this process"},
	"daemon/vmtest/...": {[]string{
		"daemon/vmtest/...",
	}, "tests of the programs as they are shipped"},
	"daemon/wire": {nil, "leaf: bytes only"},
}

func TestImports(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	err = filepath.WalkDir(root, func(file string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		pkg := path.Dir(filepath.ToSlash(rel))
		rule := ruleOf(pkg)
		if rule == "" {
			t.Errorf("%s: package %s has no rule in importRules; add one", rel, pkg)
			return nil
		}
		used[rule] = true
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range parsed.Imports {
			name, _ := strconv.Unquote(i.Path.Value)
			allowed := importRules[rule]
			ours, ok := strings.CutPrefix(name, "vchat/")
			if ok && !slices.ContainsFunc(allowed.may, func(p string) bool { return match(p, ours) }) {
				t.Errorf("%s imports %s; %s may import %v: %s", rel, ours, rule, allowed.may, allowed.why)
			}
			if strings.HasPrefix(name, "gopkg.in/yaml") && pkg != "config" {
				t.Errorf("%s imports %s; only config may, because that library is archived", rel, name)
			}
			if name == "C" || strings.HasSuffix(name, "/sdjournal") {
				t.Errorf("%s imports %s, which needs cgo; the programs are built without", rel, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for rule := range importRules {
		if !used[rule] {
			t.Errorf("the rule for %s matches no package; remove it", rule)
		}
	}
}

// ruleOf returns the key of the rule for a package: its own, or the longest one
// that ends in "..." and matches.
func ruleOf(pkg string) string {
	if _, ok := importRules[pkg]; ok {
		return pkg
	}
	best := ""
	for rule := range importRules {
		if strings.HasSuffix(rule, "...") && match(rule, pkg) && len(rule) > len(best) {
			best = rule
		}
	}
	return best
}

func match(pattern, pkg string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "..."); ok {
		return strings.HasPrefix(pkg+"/", prefix)
	}
	return pattern == pkg
}
