package screen

import (
	"encoding/binary"
	"time"

	"vchat/cmd/vchatctl/internal/view/render"
)

const (
	cursorTimeout = 3 * time.Second // how long a resting pointer stays
	cursorFade    = 300 * time.Millisecond
	cursorStep    = 50 * time.Millisecond // between two repaints of the fading
)

// cursor is the drawn pointer of mice and touchpads. The screen's lock guards
// it.
type cursor struct {
	x, y   float64 // pixels
	placed bool    // it has been somewhere
	until  time.Time
}

// move moves the pointer by pixels, within a monitor of w by h. It starts in
// the middle.
func (c *cursor) move(dx, dy float64, w, h int) {
	if !c.placed {
		c.x, c.y = float64(w)/2, float64(h)/2
	}
	c.x = max(0, min(float64(w-1), c.x+dx))
	c.y = max(0, min(float64(h-1), c.y+dy))
	c.placed = true
}

// shown shows the pointer for a while, or hides it at once for a finger.
func (c *cursor) shown(now time.Time, isTouch bool) {
	c.placed = true
	c.until = now.Add(cursorTimeout)
	if isTouch {
		c.until = time.Time{}
	}
}

// opacity returns how visible the pointer is: from 0 to 255.
func (c *cursor) opacity(now time.Time) int {
	left := c.until.Sub(now)
	if left <= 0 {
		return 0
	}
	return int(min(255, 255*left/cursorFade))
}

// arrow is the pointer on a grid: # its edge, . its inside.
var arrow = [...]string{
	"#",
	"##",
	"#.#",
	"#..#",
	"#...#",
	"#....#",
	"#.....#",
	"#......#",
	"#.......#",
	"#........#",
	"#.....####",
	"#..#..#",
	"#.# #..#",
	"##  #..#",
	"#    #..#",
	"     #..#",
	"      ##",
}

// draw draws the pointer over painted pixels. It reads back the few pixels
// below it while it fades.
func (c *cursor) draw(p render.Pixels, now time.Time) {
	opacity := c.opacity(now)
	if opacity == 0 {
		return
	}
	scale := max(1, p.H/480)
	x0, y0 := int(c.x+0.5), int(c.y+0.5)
	for y := y0; y < min(p.H, y0+scale*len(arrow)); y++ {
		row := arrow[(y-y0)/scale]
		for x := x0; x < min(p.W, x0+scale*len(row)); x++ {
			switch row[(x-x0)/scale] {
			case '#':
				blend(p, x, y, 0, opacity)
			case '.':
				blend(p, x, y, 255, opacity)
			}
		}
	}
}

// blend paints a pixel grey.
func blend(p render.Pixels, x, y, grey, opacity int) {
	mix := func(old, new int) int { return old + (new-old)*opacity/255 }
	if p.Format == render.RGB565 {
		px := p.Pix[y*p.Stride+2*x:][:2]
		v := int(binary.LittleEndian.Uint16(px))
		r, g, b := mix(v>>11, grey>>3), mix(v>>5&0x3f, grey>>2), mix(v&0x1f, grey>>3)
		binary.LittleEndian.PutUint16(px, uint16(r<<11|g<<5|b))
		return
	}
	px := p.Pix[y*p.Stride+4*x:][:3]
	for i := range px {
		px[i] = byte(mix(int(px[i]), grey))
	}
}
