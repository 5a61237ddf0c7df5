package daemon

import (
	"log/slog"

	"vchat/config"
)

// warnOfIdleKeys says which keys of the configuration have no effect yet, so that nobody waits for one. Discovery, which
// is on by default and only ever a hint, is not worth a warning.
func warnOfIdleKeys(cfg *config.Config, log *slog.Logger) {
	h := cfg.Hooks
	for _, k := range []struct {
		key string
		set bool
	}{
		{"hooks", h.Ring != nil || h.Answered != nil || h.Ended != nil || h.CameraLost != nil || h.CameraFound != nil},
	} {
		if k.set {
			log.Warn("a key of the configuration has no effect in this version", "key", k.key)
		}
	}
}
