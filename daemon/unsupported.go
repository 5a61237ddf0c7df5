package daemon

import (
	"log/slog"

	"vchat/config"
)

// warnUnsupportedKeys warns about configuration keys that this version accepts
// but ignores. Discovery is not among them: it is on by default and only adds
// hints.
func warnUnsupportedKeys(cfg *config.Config, log *slog.Logger) {
	h := cfg.Hooks
	if h.Ring != nil || h.Answered != nil || h.Ended != nil || h.CameraLost != nil || h.CameraFound != nil {
		log.Warn("configuration key not supported by this version", "key", "hooks")
	}
}
