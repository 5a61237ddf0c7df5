package daemon

import (
	"fmt"

	"vchat/config"
	"vchat/daemon/hooks"
)

// Warnings returns what is wrong with a configuration without being a fault,
// as far as this process sees it.
func Warnings(cfg *config.Config) []string {
	var all []string
	commands := hooksConfig(cfg, cfg).Commands
	for _, kind := range hooks.Kinds {
		if err := hooks.Check(commands[kind]); err != nil {
			all = append(all, fmt.Sprintf("hooks.%s: %v", kind, err))
		}
	}
	if cfg.Feeds != "" && !isLoopback(cfg.Feeds) {
		all = append(all, fmt.Sprintf("feeds: %s is not encrypted: who can read the network's traffic sees the frames "+
			"and the tokens", cfg.Feeds))
	}
	return all
}
