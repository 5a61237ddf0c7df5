package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"rsc.io/qr"
)

func (a *app) idCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "id",
		Short: "This device's id; on a terminal also as a QR code",
		Args:  takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			id, err := a.client().Identity(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(id, func(w io.Writer) {
				fmt.Fprintln(w, id.ID)
				if a.onTerminal() {
					writeQR(w, id.ID)
				}
			})
		},
	}
}

// writeQR draws a QR code with two modules in each cell. It sets both colours, as a scanner wants dark on light, whatever
// the terminal's colours are.
func writeQR(w io.Writer, text string) {
	code, err := qr.Encode(text, qr.M)
	if err != nil { // too long for a QR code, which no id is
		return
	}
	const quiet = 2 // modules around it; the standard wants four, scanners are content with two
	for y := -quiet; y < code.Size+quiet; y += 2 {
		fmt.Fprint(w, "\x1b[30;107m")
		for x := -quiet; x < code.Size+quiet; x++ {
			switch up, low := code.Black(x, y), code.Black(x, y+1); {
			case up && low:
				fmt.Fprint(w, "█")
			case up:
				fmt.Fprint(w, "▀")
			case low:
				fmt.Fprint(w, "▄")
			default:
				fmt.Fprint(w, " ")
			}
		}
		fmt.Fprint(w, "\x1b[0m\n")
	}
}
