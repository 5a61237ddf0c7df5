package daemon

import (
	"log/slog"

	"vchat/config"
)

// Warnings returns what is wrong with a configuration without being a fault:
// keys that this version accepts but ignores. Discovery is not among them: it
// is on by default and only adds hints.
func Warnings(cfg *config.Config) []string {
	var all []string
	h := cfg.Hooks
	if h.Ring != nil || h.Answered != nil || h.Ended != nil || h.CameraLost != nil || h.CameraFound != nil {
		all = append(all, "configuration key not supported by this version: hooks")
	}
	return all
}

// logWarnings logs the warnings of a configuration.
func logWarnings(cfg *config.Config, log *slog.Logger) {
	for _, w := range Warnings(cfg) {
		log.Warn(w)
	}
}
