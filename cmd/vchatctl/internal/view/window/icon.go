package window

import (
	"bytes"
	_ "embed" // icon.png
	"image/color"
	"image/png"
	"sync"
)

// iconFile is the page's icon.svg with 48 by 48 pixels. The package installs it
// for desktops, too.
//
//go:embed icon.png
var iconFile []byte

// icon returns the value of _NET_WM_ICON: width, height, and ARGB pixels that
// are not premultiplied. It is nil if the file is broken.
var icon = sync.OnceValue(func() []uint32 {
	img, err := png.Decode(bytes.NewReader(iconFile))
	if err != nil {
		return nil
	}
	size := img.Bounds()
	values := []uint32{uint32(size.Dx()), uint32(size.Dy())}
	for y := size.Min.Y; y < size.Max.Y; y++ {
		for x := size.Min.X; x < size.Max.X; x++ {
			c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
			values = append(values, uint32(c.A)<<24|uint32(c.R)<<16|uint32(c.G)<<8|uint32(c.B))
		}
	}
	return values
})
