package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) completionCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "A script that completes commands and peers in a shell",
		Long: `A script that completes commands and peers in a shell. In the present one:

  bash, zsh  source <(vchatctl completion bash)
  fish       vchatctl completion fish | source

The same line in ~/.bashrc, ~/.zshrc (after compinit) or ~/.config/fish/config.fish does it for all to come.`,
		Args:      takes(1, 1),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch root := cmd.Root(); args[0] {
			case "bash":
				if err := root.GenBashCompletionV2(a.stdout, true); err != nil {
					return err
				}
				_, err := fmt.Fprint(a.stdout, bareBash)
				return err
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			}
			return usagef("there is no script for %s: only for bash, zsh and fish", args[0])
		},
	}
}

// bareBash stands in for what cobra's script takes from the package bash-completion, which a small system lacks.
const bareBash = `
if ! declare -F _get_comp_words_by_ref >/dev/null; then
    __vchatctl_init_completion()
    {
        COMPREPLY=()
        words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
        cur=${words[cword]} prev=${words[cword - 1]}
    }
fi
`
