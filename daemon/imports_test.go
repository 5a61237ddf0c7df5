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
	"cmd/vchatd":       {[]string{"config", "daemon", "daemon/demo", "daemon/logging", "daemon/tune"}, "flags, configuration, exit codes; everything else is the daemon's"},
	"cmd/vchatctl":     {[]string{"daemon/client", "daemon/api", "daemon/mjpeg", "cmd/vchatctl/internal/..."}, "it lives on the control socket, like any other program"},
	"config":           {nil, "leaf: what a file says, not what it is for"},
	"v4l2":             {[]string{"v4l2/internal/uapi"}, "leaf: cameras, nothing of calls"},
	"daemon/frame":     {nil, "leaf"},
	"daemon/mjpeg":     {nil, "leaf"},
	"daemon/wire":      {nil, "leaf: bytes only"},
	"daemon/call":      {nil, "leaf: pure decisions"},
	"daemon/api":       {nil, "leaf: what programs on both sides of the socket import"},
	"daemon/camera":    {[]string{"v4l2", "daemon/frame", "daemon/mjpeg", "daemon/testcard"}, "it makes frames and does not know who reads them"},
	"daemon/testcard":  {[]string{"daemon/mjpeg"}, "it paints, and knows neither cameras nor readers"},
	"daemon/link":      {[]string{"daemon/congestion", "daemon/framecodec", "daemon/wire", "daemon/identity", "daemon/frame", "daemon/resolve", "daemon/transport"}, "it carries and does not decide"},
	"daemon/netwatch":  {nil, "leaf: has the network changed?"},
	"daemon/transport": {[]string{"daemon/congestion"}, "one connection, whatever it carries"},
	"daemon/resolve":   {nil, "leaf: names to addresses"},
	"daemon/control":   {[]string{"daemon/api", "daemon/frame", "daemon/mjpeg"}, "it talks to a Backend that the daemon implements"},
	"daemon/client":    {[]string{"daemon/api"}, "what vchatctl is written on must not drag the daemon along"},
	"daemon/identity":  {nil, "leaf"},
	"daemon/demo":      {[]string{"config", "daemon", "daemon/api", "daemon/identity"}, "it puts two devices together, as cmd/vchatd does one"},
	"daemon/logging":   {nil, "leaf: how a log line looks and how many there may be"},
	"daemon/tune":      {nil, "leaf: the Go runtime of this process"},
	"daemon/metrics":   {nil, "leaf: a text format and who may read it"},

	"v4l2/internal/uapi":                {nil, "leaf: the kernel's words"},
	"v4l2/v4l2test":                     {[]string{"v4l2", "v4l2/internal/uapi"}, "a pretend kernel"},
	"daemon/congestion":                 {[]string{"daemon/wire", "daemon/frame"}, "pure: bytes, times, feedback; no net, no clocks"},
	"daemon/framecodec":                 {[]string{"daemon/frame", "daemon/mjpeg", "daemon/wire"}, "frame to bytes and back; nothing of links"},
	"cmd/vchatctl/internal/view/...":    {[]string{"daemon/client", "daemon/api", "daemon/mjpeg", "cmd/vchatctl/internal/..."}, "display code stays on the client's side"},
	"cmd/vchatctl/internal/view/render": {[]string{"daemon/mjpeg"}, "it draws frames and text, and knows no session"},
	"daemon/metrics/metricstest":        {nil, "for tests"},
	"cmd/vchatctl/internal/record":      {[]string{"daemon/client", "daemon/api", "daemon/mjpeg"}, "files stay on the client's side"},
	"daemon/control/controltest":        {[]string{"daemon/control", "daemon/api", "daemon/frame"}, "a pretend device behind the socket"},
	"cmd/vchat-bench":                   {[]string{"daemon/client", "daemon/api"}, "it measures the programs from outside, as it does others"},
	"daemon/daemontest/...":             {[]string{"..."}, "for tests"},
	"daemon/vmtest/...":                 {[]string{"daemon/vmtest/..."}, "tests of the programs as they are shipped"},
	"daemon": {[]string{"config", "daemon/api", "daemon/call", "daemon/camera", "daemon/control", "daemon/frame", "daemon/identity",
		"daemon/link", "daemon/logging", "daemon/metrics", "daemon/mjpeg", "daemon/netwatch", "daemon/tune", "daemon/wire"},
		"it composes; the client and the test packages are not for it"},
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
