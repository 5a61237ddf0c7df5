package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) completionCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print a shell completion script",
		Long: `Print a script that completes commands and peers. To load it into the current shell:

  bash  source <(vchatctl completion bash)
  zsh   autoload -Uz compinit && compinit
        source <(vchatctl completion zsh)
  fish  vchatctl completion fish | source

To load it into every shell, add these lines to ~/.bashrc, ~/.zshrc or
~/.config/fish/config.fish.`,
		Args:      argCount(1, 1),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch root := cmd.Root(); args[0] {
			case "bash":
				if err := root.GenBashCompletionV2(a.stdout, true); err != nil {
					return err
				}
				_, err := fmt.Fprint(a.stdout, bashInit)
				return err
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			}
			return usagef("unknown shell %q; use bash, zsh or fish", args[0])
		},
	}
}

// bashInit replaces the function that cobra's script calls from the package
// bash-completion, which a small system lacks.
const bashInit = `
if ! declare -F _get_comp_words_by_ref >/dev/null; then
    __vchatctl_init_completion()
    {
        COMPREPLY=()
        words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
        cur=${words[cword]} prev=${words[cword - 1]}
    }
fi
`
