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
		Short: "Print this device's id; on a terminal also as a QR code",
		Args:  argCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			id, err := a.client().Identity(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(id, func(w io.Writer) {
				fmt.Fprintln(w, id.ID)
				if a.onTerminal() && plainReason() == "" {
					writeQR(w, id.ID)
				}
			})
		},
	}
}

// writeQR draws a QR code with two modules per character cell. It sets both
// colors: a scanner needs dark on light, whatever the terminal's theme.
func writeQR(w io.Writer, text string) {
	code, err := qr.Encode(text, qr.M)
	if err != nil { // the text is too long; an id never is
		return
	}
	const quiet = 2 // modules of margin; ISO/IEC 18004 wants 4, scanners accept 2
	for y := -quiet; y < code.Size+quiet; y += 2 {
		fmt.Fprint(w, "\x1b[30;107m")
		for x := -quiet; x < code.Size+quiet; x++ {
			switch upper, lower := code.Black(x, y), code.Black(x, y+1); {
			case upper && lower:
				fmt.Fprint(w, "█")
			case upper:
				fmt.Fprint(w, "▀")
			case lower:
				fmt.Fprint(w, "▄")
			default:
				fmt.Fprint(w, " ")
			}
		}
		fmt.Fprint(w, "\x1b[0m\n")
	}
}
