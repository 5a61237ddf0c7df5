package testcard

import (
	"image"
	"image/draw"
	"math"
	"strings"
	"time"

	"vchat/daemon/mjpeg"
)

// Card is a frame of text. It replaces the camera's frames while there are
// none.
type Card struct {
	Name     string    // of this device; may be empty
	Headline string    // a few words, in large letters
	Reason   string    // one sentence, up to four lines; may be empty
	Since    time.Time // the card shows its time of day
}

// JPEG paints the card at width by height pixels, each from 16 to 65535.
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
	p := &cardPainter{width: width, height: height}
	dim := gridColor.blend(white, 0.5)
	p.label(c.Name, 0.33, 0.065, dim)
	p.label(c.Headline, 0.48, 0.125, white)
	p.label("since "+c.Since.Format(time.TimeOnly), 0.67, 0.065, numberColor)
	for i, line := range p.wrap(c.Reason, reasonSize) {
		p.label(line, 0.77+1.3*reasonSize*float64(i), reasonSize, dim)
	}
	half := width / 12
	y := height * 59 / 100
	p.line = image.Rect(width/2-half, y, width/2+half, y+max(1, height/180))
	return p
}

const (
	reasonSize  = 0.036 // of the card's height
	reasonLines = 4
)

// wrap breaks a text into at most reasonLines lines.
func (p *cardPainter) wrap(text string, size float64) []string {
	var lines []string
	font := bold(size * float64(p.height))
	for _, word := range strings.Fields(text) {
		last := len(lines) - 1
		if last >= 0 && (font.width(lines[last]+" "+word) <= 0.9*float64(p.width) || last == reasonLines-1) {
			lines[last] += " " + word
			continue
		}
		lines = append(lines, word)
	}
	return lines
}

// label centres a line of text. middle and size are fractions of the card's
// height. A text that is too wide gets smaller letters.
func (p *cardPainter) label(text string, middle, size float64, c color) {
	if text == "" {
		return
	}
	px := size * float64(p.height)
	if w := bold(px).width(text); w > 0.9*float64(p.width) {
		px *= 0.9 * float64(p.width) / w
	}
	if px < 5 {
		return // too small to read
	}
	m := bold(px).mask(text)
	at := image.Pt((p.width-m.Rect.Dx())/2, int(middle*float64(p.height))-m.Rect.Dy()/2)
	p.labels = append(p.labels, label{at, m, c})
}

func (p *cardPainter) draw(dst *image.RGBA) {
	for y := dst.Rect.Min.Y; y < dst.Rect.Max.Y; y++ {
		v := float64(y) / float64(p.height)
		background := image.NewUniform(slate.blend(black, 0.15+0.7*math.Abs(v-0.45)).rgba())
		draw.Draw(dst, image.Rect(0, y, dst.Rect.Max.X, y+1), background, image.Point{}, draw.Src)
	}
	draw.Draw(dst, p.line, image.NewUniform(runnerColor.rgba()), image.Point{}, draw.Src)
	for _, t := range p.labels {
		t.draw(dst)
	}
}
