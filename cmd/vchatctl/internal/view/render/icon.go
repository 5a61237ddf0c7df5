package render

import (
	"fmt"
	"image"
	"strconv"
	"strings"

	"golang.org/x/image/vector"

	"vchat/cmd/vchatctl/internal/view/look"
)

// masks keeps the masks of icons and of round corners.
type masks struct {
	icons   map[iconKey]*image.Alpha
	corners map[int]*image.Alpha // by radius
}

type iconKey struct {
	icon look.Icon
	size int
}

// maxMasks bounds each cache: resizing a window goes through many sizes.
const maxMasks = 64

func newMasks() *masks {
	return &masks{icons: map[iconKey]*image.Alpha{}, corners: map[int]*image.Alpha{}}
}

// icon returns the mask of an icon of size by size pixels.
func (m *masks) icon(i look.Icon, size int) *image.Alpha {
	key := iconKey{i, size}
	mask := m.icons[key]
	if mask == nil {
		if len(m.icons) >= maxMasks {
			clear(m.icons)
		}
		mask = drawPath(i.Path(), size, size, float32(size)/look.IconGrid)
		m.icons[key] = mask
	}
	return mask
}

// corner returns the upper left corner of a box with round corners.
func (m *masks) corner(radius int) *image.Alpha {
	if radius < 1 {
		return nil
	}
	mask := m.corners[radius]
	if mask == nil {
		if len(m.corners) >= maxMasks {
			clear(m.corners)
		}
		const k = 1 - 0.5522847 // of a Bézier curve that is nearly a quarter circle
		mask = drawPath(fmt.Sprintf("M1 0C%f 0 0 %f 0 1L1 1Z", k, k), radius, radius, float32(radius))
		m.corners[radius] = mask
	}
	return mask
}

// drawPath fills a path of look, scaled, on a mask of w by h pixels. The path
// is a constant, so it panics on a mistake in it.
func drawPath(path string, w, h int, scale float32) *image.Alpha {
	mask := image.NewAlpha(image.Rect(0, 0, w, h))
	z := vector.NewRasterizer(w, h)
	for path != "" {
		n := strings.IndexAny(path[1:], "MLCZ") + 1
		if n == 0 {
			n = len(path)
		}
		var v [6]float32
		drawn := 0
		for i, number := range strings.FieldsFunc(strings.ReplaceAll(path[1:n], "-", " -"), isSpace) {
			f, err := strconv.ParseFloat(number, 32)
			if err != nil {
				panic(fmt.Errorf("render: parse a path: %w", err))
			}
			v[i%6] = float32(f) * scale
			switch {
			case path[0] == 'M' && i == 1:
				z.MoveTo(v[0], v[1])
			case path[0] == 'L' && i%2 == 1:
				z.LineTo(v[i%6-1], v[i%6])
			case path[0] == 'C' && i%6 == 5:
				z.CubeTo(v[0], v[1], v[2], v[3], v[4], v[5])
			default:
				continue
			}
			drawn = i + 1
		}
		if path[0] == 'Z' {
			z.ClosePath()
		} else if drawn == 0 {
			panic(fmt.Errorf("render: parse a path: %q", path[:n]))
		}
		path = path[n:]
	}
	z.Draw(mask, mask.Rect, image.Opaque, image.Point{})
	return mask
}

func isSpace(r rune) bool { return r == ' ' }
