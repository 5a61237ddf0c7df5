package testcard

import (
	"image"
	"image/draw"
	"math"
	"strings"
	"time"

	"vchat/daemon/mjpeg"
)

// Card is a frame in words, for when there is none of the camera.
type Card struct {
	Name     string    // of this device
	Headline string    // what is wrong
	Reason   string    // the same in full; may be empty
	Since    time.Time // since when
}

// JPEG makes the card's JPEG frame, of the size that the camera's have.
func (c Card) JPEG(width, height int) []byte {
	enc := mjpeg.NewEncoder(tileQuality)
	m := paint(enc, width, height, newCardPainter(c, width, height).draw)
	return m.join(enc, nil, nil).append(nil, nil)
}

type cardPainter struct {
	width, height int
	labels        []label
	line          image.Rectangle
}

func newCardPainter(c Card, width, height int) *cardPainter {
	a := &cardPainter{width: width, height: height}
	a.label(c.Name, 0.33, 0.065, gridColor.to(white, 0.5))
	a.label(c.Headline, 0.48, 0.125, white)
	a.label("since "+c.Since.Format(time.TimeOnly), 0.67, 0.065, numberColor)
	for i, line := range a.wrap(c.Reason, reasonSize) {
		a.label(line, 0.77+1.3*reasonSize*float64(i), reasonSize, gridColor.to(white, 0.5))
	}
	half := width / 12
	y := height * 59 / 100
	a.line = image.Rect(width/2-half, y, width/2+half, y+max(1, height/180))
	return a
}

const (
	reasonSize  = 0.036 // of the height
	reasonLines = 4
)

// wrap cuts a text into lines between words.
func (a *cardPainter) wrap(text string, size float64) []string {
	var lines []string
	font := bold(size * float64(a.height))
	for _, word := range strings.Fields(text) {
		last := len(lines) - 1
		if last >= 0 && (font.width(lines[last]+" "+word) <= 0.9*float64(a.width) || last == reasonLines-1) {
			lines[last] += " " + word
			continue
		}
		lines = append(lines, word)
	}
	return lines
}

// label centres a line of text at a part of the height, its letters as large as another part of it if the width allows.
func (a *cardPainter) label(text string, middle, size float64, c color) {
	if text == "" {
		return
	}
	px := size * float64(a.height)
	if w := bold(px).width(text); w > 0.9*float64(a.width) {
		px *= 0.9 * float64(a.width) / w
	}
	if px < 5 {
		return // nobody could read it
	}
	m := bold(px).mask(text)
	at := image.Pt((a.width-m.Rect.Dx())/2, int(middle*float64(a.height))-m.Rect.Dy()/2)
	a.labels = append(a.labels, label{at, m, c})
}

func (a *cardPainter) draw(dst *image.RGBA) {
	for y := dst.Rect.Min.Y; y < dst.Rect.Max.Y; y++ {
		v := float64(y) / float64(a.height)
		draw.Draw(dst, image.Rect(0, y, dst.Rect.Max.X, y+1), image.NewUniform(slate.to(black, 0.15+0.7*math.Abs(v-0.45)).rgba()), image.Point{}, draw.Src)
	}
	draw.Draw(dst, a.line, image.NewUniform(runnerColor.rgba()), image.Point{}, draw.Src)
	for _, t := range a.labels {
		t.draw(dst)
	}
}
