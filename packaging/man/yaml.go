package man

import (
	"regexp"
	"strings"
)

// setting is one key of an annotated YAML file.
type setting struct {
	path    string // with dots
	value   string
	about   string
	example bool // commented out: the value is no default
}

var yamlKey = regexp.MustCompile(`^( *)([a-z_]+):(?: (.*))?$`)

var openDefault = regexp.MustCompile(`^( +)#([a-z])`)

// settings returns the introduction of an annotated file and its keys. A
// comment explains the key below it. A "#" with no blank after it begins lines
// that are commented out; they end with an empty line. In an indented line it
// comments out a default.
func settings(file string) (intro string, all []setting) {
	var about []string
	var path []string
	example := false
	for line := range strings.SplitSeq(file, "\n") {
		if strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "# ") && line != "#" {
			example = true
		}
		if line == "" {
			if all == nil && intro == "" {
				intro, about = strings.Join(about, "\n"), nil
			}
			example = false
			continue
		}
		if example {
			line = strings.TrimPrefix(line, "#")
		}
		line = openDefault.ReplaceAllString(line, "$1$2")
		if comment, ok := strings.CutPrefix(strings.TrimSpace(line), "#"); ok {
			about = append(about, strings.TrimPrefix(comment, " "))
			continue
		}
		m := yamlKey.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		path = append(path[:min(len(m[1])/2, len(path))], m[2])
		all = append(all, setting{strings.Join(path, "."), m[3], strings.Join(about, "\n"), example})
		about = nil
	}
	return intro, all
}
