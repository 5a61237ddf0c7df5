package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"vchat/daemon/api"
)

func writeFormats(w io.Writer, all api.Formats) {
	fmt.Fprintln(w, join("  ", all.Device, all.Name))
	for _, f := range all.Formats {
		use := "not supported by vchat"
		if f.Config != "" {
			use = "format: " + f.Config
		}
		fmt.Fprintf(w, "\n%s\n", join("  ", f.FourCC, f.Description, "("+use+")"))
		table(w, func(w io.Writer) {
			for _, s := range f.Sizes {
				fmt.Fprintf(w, "  %s\n", join("\t", sizeText(s), ratesText(s.FPS)))
			}
		})
		if len(f.Sizes) == 0 {
			fmt.Fprintln(w, "  the driver lists no sizes")
		}
	}
}

func sizeText(s api.FrameSize) string {
	if s.MaxSize == "" {
		return s.Size
	}
	return fmt.Sprintf("%s to %s in steps of %s", s.Size, s.MaxSize, s.Step)
}

func ratesText(all []float64) string {
	if len(all) == 0 {
		return ""
	}
	var words []string
	for _, r := range all {
		words = append(words, strconv.FormatFloat(r, 'g', 4, 64))
	}
	return strings.Join(words, ", ") + " fps"
}
