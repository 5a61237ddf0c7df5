package doctor

import (
	"slices"
	"strconv"
	"strings"
)

// The parsers in this file accept any text: a driver or a user may have written
// anything there.

// group is a line of group(5).
type group struct {
	name    string
	gid     int
	members []string
}

// parseGroups returns the groups of /etc/group. It leaves out lines that are no
// group.
func parseGroups(text string) (all []group) {
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimRight(line, "\n"), ":")
		if len(fields) < 4 || fields[0] == "" {
			continue
		}
		gid, err := strconv.ParseUint(fields[2], 10, 31)
		if err != nil {
			continue
		}
		g := group{name: fields[0], gid: int(gid)}
		for m := range strings.SplitSeq(fields[3], ",") {
			if m = strings.TrimSpace(m); m != "" {
				g.members = append(g.members, m)
			}
		}
		all = append(all, g)
	}
	return all
}

// groupNamed returns a group by its name or number; nil if there is none.
func groupNamed(all []group, name string) *group {
	i := slices.IndexFunc(all, func(g group) bool { return g.name == name || strconv.Itoa(g.gid) == name })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// groupName returns the name of a group, or its number.
func groupName(all []group, gid int) string {
	if i := slices.IndexFunc(all, func(g group) bool { return g.gid == gid }); i >= 0 {
		return all[i].name
	}
	return strconv.Itoa(gid)
}

// throttled has the bits of the Raspberry Pi firmware's get_throttled.
type throttled uint32

const (
	underVoltage throttled = 1 << iota
	capped
	slowed
	tooWarm
	sinceStart throttled = 1 << 16 // times a bit above: it has been so since the start
)

// parseThrottled returns the bits, which the kernel prints in hexadecimal.
func parseThrottled(text string) (throttled, bool) {
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(text), "0x"), 16, 32)
	return throttled(n), err == nil
}

// parseSpeed returns the speed of a USB port in Mbit/s, as in its sysfs file.
func parseSpeed(text string) (float64, bool) {
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return v, err == nil && v > 0 && v < 1e6
}

// unit is a unit as systemctl shows it.
type unit map[string]string

// parseUnits returns the units in the output of systemctl show: KEY=VALUE on
// each line, with an empty line between two units.
func parseUnits(text string) (all []unit) {
	u := unit{}
	for line := range strings.Lines(text + "\n\n") {
		line = strings.TrimRight(line, "\r\n")
		if line == "" && len(u) > 0 {
			all = append(all, u)
			u = unit{}
		}
		if key, value, ok := strings.Cut(line, "="); ok && key != "" {
			u[key] = value
		}
	}
	return all
}

// argv returns the words of an ExecStart, as systemctl shows it:
//
//	{ path=/usr/bin/vchatd ; argv[]=/usr/bin/vchatd --config F ; … }
func (u unit) argv() []string {
	_, after, _ := strings.Cut(u["ExecStart"], "argv[]=")
	words, _, _ := strings.Cut(after, " ;")
	return strings.Fields(words)
}

// configFile returns the value of --config; "" if there is none.
func (u unit) configFile() string {
	argv := u.argv()
	for i, a := range argv {
		if _, file, ok := strings.Cut(a, "-config="); ok {
			return file
		}
		if strings.TrimLeft(a, "-") == "config" && i+1 < len(argv) {
			return argv[i+1]
		}
	}
	return ""
}
