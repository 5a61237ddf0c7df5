package doctor

import (
	"context"
	"fmt"
	"path"
	"strings"
)

const (
	throttledFile = "/sys/devices/platform/soc/soc:firmware/get_throttled"

	minSpace = 16 << 20 // bytes: calls, peers and the last good configuration need far less
	minYear  = 2026     // no device of this version has seen an earlier one

	supplyHint = "use the power supply made for this board and a short, thick cable; unplug what draws power from USB"
)

// checkState reports on the state directory and its disk.
func (f *facts) checkState(context.Context) []Finding {
	dir, free, size := defaultStateDir, uint64(0), uint64(0)
	if f.running() {
		if found := f.problemsOf("state"); found != nil {
			return found
		}
		if f.diagnosis == nil {
			return nil
		}
		s := f.diagnosis.StateDir
		dir, free, size = s.Path, s.FreeBytes, s.SizeBytes
	} else {
		if !f.exists(dir) {
			return []Finding{{Level: Skipped, Subject: "state", Name: dir, Message: "does not exist: vchatd makes it"}}
		}
		var err error
		if free, size, err = f.Space(dir); err != nil {
			return []Finding{{Level: Skipped, Subject: "state", Name: dir, Message: err.Error()}}
		}
	}
	x := Finding{Level: OK, Subject: "state", Name: dir, Message: bytesText(free) + " free"}
	if f.running() {
		x.Message = "writable, " + x.Message
	}
	if size > 0 && free < minSpace {
		x.Level, x.Hint = Problem, "delete what is not needed; sudo journalctl --vacuum-size=50M shortens the journal"
	}
	return []Finding{x}
}

func bytesText(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.0f MB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d KB", n>>10)
}

// checkPower reports under-voltage and throttling, on boards that measure them.
func (f *facts) checkPower(context.Context) []Finding {
	finding := func(level Level, message, hint string) []Finding {
		return []Finding{{Level: level, Subject: "power", Message: message, Hint: hint}}
	}
	bits, known := parseThrottled(f.line(throttledFile))
	for _, name := range f.entries("/sys/class/hwmon") {
		dir := path.Join("/sys/class/hwmon", name)
		if f.line(dir+"/name") != "rpi_volt" {
			continue
		}
		known = true
		if f.line(dir+"/in0_lcrit_alarm") == "1" {
			bits |= underVoltage
		}
	}
	const heatHint = "cool it: a heat sink, a fan, or less in its way"
	switch {
	case !known:
		return finding(Skipped, "this board does not report its supply voltage", "")
	case bits&underVoltage != 0:
		return finding(Problem, "the supply voltage is too low", supplyHint)
	case bits&(slowed|capped|tooWarm) != 0:
		return finding(Problem, "the processor is slowed down, because it is too warm", heatHint)
	case bits&(underVoltage*sinceStart) != 0:
		return finding(Problem, "the supply voltage was too low since the start", supplyHint)
	case bits&((slowed|capped|tooWarm)*sinceStart) != 0:
		return finding(Note, "the processor was slowed down since the start, because it was too warm", heatHint)
	}
	return finding(OK, "supply voltage and temperature are good", "")
}

// checkClock reports whether the clock can be right.
func (f *facts) checkClock(context.Context) []Finding {
	finding := func(level Level, message, hint string) []Finding {
		return []Finding{{Level: level, Subject: "clock", Message: message, Hint: hint}}
	}
	const hint = "sudo timedatectl set-ntp true; calls work without, but " +
		"times in recordings and in the journal are wrong"
	if now := f.Now(); now.Year() < minYear {
		return finding(Problem, fmt.Sprintf("it says %s", now.UTC().Format("2006-01-02")), hint)
	}
	synced, err := f.Synchronised()
	switch {
	case synced || f.exists("/run/systemd/timesync/synchronized"):
		return finding(OK, "synchronised", "")
	case err != nil:
		return finding(Skipped, err.Error(), "")
	}
	return finding(Note, "not synchronised", hint)
}

// checkWiFi reports power saving of wireless interfaces that are up.
func (f *facts) checkWiFi(context.Context) (found []Finding) {
	for _, name := range f.entries("/sys/class/net") {
		dir := path.Join("/sys/class/net", name)
		if !f.exists(dir+"/wireless") && !f.exists(dir+"/phy80211") || f.line(dir+"/operstate") != "up" {
			continue
		}
		x := Finding{Level: OK, Subject: "wifi", Name: name, Message: "does not save power"}
		switch on, err := f.PowerSave(name); {
		case err != nil:
			x.Level, x.Message = Skipped, "the driver does not tell whether it saves power: "+err.Error()
		case on:
			x.Level, x.Message = Note, "saves power: frames may arrive late and in bursts"
			x.Hint = fmt.Sprintf("sudo iw dev %s set power_save off; NetworkManager keeps it with wifi.powersave=2",
				name)
		}
		found = append(found, x)
	}
	return found
}

// board returns the model of the board, for a report.
func (s *System) board() string {
	for _, file := range []string{"/proc/device-tree/model", "/sys/class/dmi/id/product_name"} {
		if model := strings.ToValidUTF8(s.line(file), "?"); model != "" {
			return model[:min(len(model), 64)]
		}
	}
	return "unknown board"
}
