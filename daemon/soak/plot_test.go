package soak

import (
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// The plot in pixels: panels below each other, with the same time axis.
const (
	plotWidth   = 960
	plotLeft    = 60
	plotRight   = 220 // for the legend
	panelHeight = 150
	panelGap    = 50
)

var plotColors = []string{"#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#e377c2", "#7f7f7f",
	"#bcbd22", "#17becf"}

// panel is one part of the plot.
type panel struct {
	b         *strings.Builder
	top       float64
	minutes   float64 // at the right end
	low, high float64 // of the value; with log, of its logarithm
	log       bool
	legend    int
}

func (p *panel) x(minutes float64) float64 {
	return plotLeft + minutes/p.minutes*(plotWidth-plotLeft-plotRight)
}

func (p *panel) y(v float64) float64 {
	if p.log {
		v = math.Log10(v)
	}
	return p.top + panelHeight*(1-(v-p.low)/(p.high-p.low))
}

func (p *panel) text(x, y float64, anchor, s string) {
	fmt.Fprintf(p.b, `<text x="%.0f" y="%.1f" text-anchor="%s">%s</text>`+"\n", x, y, anchor, s)
}

func (p *panel) frame(title string, marks ...float64) {
	fmt.Fprintf(p.b, `<rect x="%d" y="%.0f" width="%d" height="%d" fill="none" stroke="#999"/>`+"\n",
		plotLeft, p.top, plotWidth-plotLeft-plotRight, panelHeight)
	p.text(plotLeft, p.top-6, "start", title)
	for _, m := range marks {
		fmt.Fprintf(p.b, `<path d="M%d %.1fH%d" stroke="#ddd"/>`+"\n", plotLeft, p.y(m), plotWidth-plotRight)
		p.text(plotLeft-5, p.y(m)+4, "end", fmt.Sprint(m))
	}
	step := math.Max(1, math.Ceil(p.minutes/10))
	for m := 0.0; m <= p.minutes; m += step {
		p.text(p.x(m), p.top+panelHeight+15, "middle", fmt.Sprint(m))
	}
	p.text(plotWidth-plotRight, p.top+panelHeight+28, "end", "minutes")
}

func (p *panel) name(color, name string) {
	y := p.top + 10 + 14*float64(p.legend)
	fmt.Fprintf(p.b, `<circle cx="%d" cy="%.1f" r="4" fill="%s"/>`+"\n", plotWidth-plotRight+15, y-4, color)
	p.text(plotWidth-plotRight+25, y, "start", name)
	p.legend++
}

// line draws the samples of each process of a device.
func (p *panel) line(all []sample, of func(sample) float64, color, name string) {
	life := 0
	var path strings.Builder
	for _, s := range all {
		move := "L"
		if s.Life != life {
			move, life = "M", s.Life
		}
		fmt.Fprintf(&path, "%s%.1f %.1f", move, p.x(s.Minutes), p.y(of(s)))
	}
	fmt.Fprintf(p.b, `<path d="%s" fill="none" stroke="%s"/>`+"\n", path.String(), color)
	p.name(color, name)
}

// plot returns the run as SVG: resources of both devices, and all outages.
func (w *world) plot() string {
	var b strings.Builder
	minutes := math.Max(w.minutes(), 1)
	top := 40.0
	next := func(low, high float64) *panel {
		p := &panel{b: &b, top: top, minutes: minutes, low: low, high: high}
		top += panelHeight + panelGap
		return p
	}
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" `+
		`font-family="sans-serif" font-size="12">`+"\n"+`<rect width="100%%" height="100%%" fill="white"/>`+"\n",
		plotWidth, 4*(panelHeight+panelGap)+panelHeight+130)
	for _, r := range resources {
		high := 0.0
		for _, all := range w.samples {
			for _, s := range all {
				high = math.Max(high, r.of(s))
			}
		}
		step := math.Pow(10, math.Floor(math.Log10(math.Max(high, 1))))
		if high/step < 3 {
			step /= 2
		}
		p := next(0, high*1.1+1)
		var marks []float64
		for m := 0.0; m <= p.high; m += step {
			marks = append(marks, m)
		}
		p.frame(r.name, marks...)
		p.line(w.samples[1], r.of, plotColors[4], "bob (a gap: killed or restarted)")
		p.line(w.samples[0], r.of, plotColors[0], "alice")
	}
	p := next(-3, 2)
	p.log = true
	p.frame("time to the first fresh frame after each fault, s", 0.001, 0.01, 0.1, 1, 10, 100)
	var kinds []string
	for _, o := range w.outages {
		if !slices.Contains(kinds, o.Fault.kind) {
			kinds = append(kinds, o.Fault.kind)
		}
	}
	slices.Sort(kinds)
	for i, kind := range kinds {
		color := plotColors[i%len(plotColors)]
		for _, o := range w.outages {
			if o.Fault.kind != kind {
				continue
			}
			v := math.Min(math.Max(o.Took.Seconds(), 0.001), 100)
			if i < len(plotColors) {
				fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="2.5" fill="%s"/>`+"\n", p.x(o.Minutes), p.y(v), color)
			} else {
				fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="5" height="5" fill="none" stroke="%s"/>`+"\n",
					p.x(o.Minutes)-2.5, p.y(v)-2.5, color)
			}
		}
		if i < len(plotColors) {
			p.name(color, kind)
		} else {
			p.name(color, kind+" (square)")
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func TestPlot(t *testing.T) {
	w := &world{t: t, began: time.Now().Add(-3 * time.Minute)}
	for i := range w.samples {
		for j := range 10 {
			s := sample{Minutes: float64(j) / 4, Life: 1 + j/5, RSS: 25, Descriptors: 20}
			w.samples[i] = append(w.samples[i], s)
		}
	}
	for i, k := range faultKinds {
		w.outages = append(w.outages, outage{fault{kind: k.name}, float64(i) / 10, time.Duration(i) * time.Second})
	}
	svg := w.plot()
	if err := xml.Unmarshal([]byte(svg), new(struct{})); err != nil {
		t.Errorf("got %v, want valid XML", err)
	}
	if got := strings.Count(svg, "<path d=\"M") - strings.Count(svg, "stroke=\"#ddd\""); got != 2*len(resources) {
		t.Errorf("got %d lines of samples, want %d", got, 2*len(resources))
	}
}
