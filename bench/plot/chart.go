// Package plot draws line charts as SVG: enough for the results of load runs, and nothing to install.
package plot

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Chart is a set of lines over one pair of axes, which begin at zero, or are logarithmic.
type Chart struct {
	Title string
	X, Y  string // what the axes show, with the unit
	LogX  bool
	LogY  bool
	Lines []Line
}

// Line is one series. Points are in the order of X.
type Line struct {
	Name   string
	Points []Point
}

// Point is one value.
type Point struct{ X, Y float64 }

// The drawing, in pixels.
const (
	width, height = 720, 420
	left, right   = 80, 150 // the legend stands on the right
	top, bottom   = 40, 50
	rowHeight     = 18
	maxTicks      = 8
)

// colours of lines: distinguishable by people who do not see all colours (Okabe and Ito).
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"}

// WriteSVG draws the chart. A chart without points has axes only.
func (c *Chart) WriteSVG(w io.Writer) error {
	x := newAxis(c.values(func(p Point) float64 { return p.X }), c.LogX, left, width-right)
	y := newAxis(c.values(func(p Point) float64 { return p.Y }), c.LogY, height-bottom, top)
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	label(&b, (left+width-right)/2, 22, "middle", `font-size="15"`, c.Title)
	for _, tick := range x.ticks() {
		at := x.place(tick)
		fmt.Fprintf(&b, `<path d="M%.1f %dV%d" stroke="#ddd"/>`+"\n", at, top, height-bottom)
		label(&b, at, height-bottom+18, "middle", "", short(tick))
	}
	for _, tick := range y.ticks() {
		at := y.place(tick)
		fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="#ddd"/>`+"\n", left, at, width-right)
		label(&b, left-8, at+4, "end", "", short(tick))
	}
	label(&b, (left+width-right)/2, height-12, "middle", "", c.X)
	label(&b, 0, 0, "middle", fmt.Sprintf(`transform="translate(16 %d) rotate(-90)"`, (top+height-bottom)/2), c.Y)
	for i := range c.Lines {
		c.Lines[i].draw(&b, i, x, y)
	}
	b.WriteString("</svg>\n")
	_, err := w.Write(b.Bytes())
	return err
}

func (c *Chart) values(of func(Point) float64) (all []float64) {
	for _, line := range c.Lines {
		for _, p := range line.Points {
			all = append(all, of(p))
		}
	}
	return all
}

// draw draws the i-th line, its points, and its row of the legend.
func (l *Line) draw(b *bytes.Buffer, i int, x, y axis) {
	colour := colours[i%len(colours)]
	var path strings.Builder
	for j, p := range l.Points {
		verb := byte('L')
		if j == 0 {
			verb = 'M'
		}
		fmt.Fprintf(&path, "%c%.1f %.1f", verb, x.place(p.X), y.place(p.Y))
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", x.place(p.X), y.place(p.Y), colour)
	}
	if path.Len() > 0 {
		fmt.Fprintf(b, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", path.String(), colour)
	}
	at := top + 14 + i*rowHeight
	fmt.Fprintf(b, `<path d="M%d %dh20" stroke="%s" stroke-width="3"/>`+"\n", width-right+12, at-4, colour)
	label(b, width-right+38, float64(at), "start", "", l.Name)
}

func label(b *bytes.Buffer, x, y float64, anchor, attributes, text string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s" %s>`, x, y, anchor, attributes)
	_ = xml.EscapeText(b, []byte(text)) // a buffer takes everything
	b.WriteString("</text>\n")
}

// axis maps values to pixels.
type axis struct {
	low, high float64
	log       bool
	from, to  float64 // pixels
}

// newAxis makes an axis on which all values fit. Values that a logarithm does not take are at its low end.
func newAxis(values []float64, log bool, from, to float64) axis {
	a := axis{log: log, from: from, to: to, high: math.Inf(-1), low: math.Inf(1)}
	for _, v := range values {
		if v > 0 || !log {
			a.low, a.high = min(a.low, v), max(a.high, v)
		}
	}
	if math.IsInf(a.high, 0) {
		a.low, a.high = 1, 10
	}
	if log {
		scale := marks(a.low, a.high)
		a.low, a.high = scale[0], scale[len(scale)-1]
		if a.high <= a.low {
			a.low, a.high = a.low/10, a.high*10
		}
		return a
	}
	a.low = 0
	step := niceStep(a.high)
	a.high = max(step, math.Ceil(a.high/step-1e-9)*step)
	return a
}

// marks returns 1, 2 and 5 times powers of ten, from the last that is not above low to the first that is not below high.
func marks(low, high float64) (all []float64) {
	const slack = 1e-9 // a value that is a mark but for rounding is that mark
	for power := math.Floor(math.Log10(low)); ; power++ {
		for _, factor := range []float64{1, 2, 5} {
			v := factor * math.Pow(10, power)
			if v <= low*(1+slack) {
				all = all[:0]
			}
			all = append(all, v)
			if v >= high*(1-slack) {
				return all
			}
		}
	}
}

// niceStep returns the distance of ticks on an axis from zero to high: 1, 2 or 5 times a power of ten.
func niceStep(high float64) float64 {
	if high <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(high/maxTicks)))
	for _, factor := range []float64{1, 2, 5} {
		if high/(factor*power) <= maxTicks {
			return factor * power
		}
	}
	return 10 * power
}

func (a axis) ticks() (ticks []float64) {
	if a.log {
		ticks = marks(a.low, a.high)
		if len(ticks) > maxTicks {
			ticks = slices.DeleteFunc(ticks, func(v float64) bool {
				power := math.Log10(v)
				return math.Abs(power-math.Round(power)) > 1e-9
			})
		}
		return ticks
	}
	step := niceStep(a.high)
	for i := 0.0; i*step <= a.high*1.001; i++ {
		ticks = append(ticks, i*step)
	}
	return ticks
}

func (a axis) place(v float64) float64 {
	share := (v - a.low) / (a.high - a.low)
	if a.log {
		share = math.Log(max(v, a.low)/a.low) / math.Log(a.high/a.low)
	}
	return a.from + share*(a.to-a.from)
}

// short writes a number in few characters: 1500 is 1.5k.
func short(v float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= unit.size {
			return strconv.FormatFloat(v/unit.size, 'g', 4, 64) + unit.name
		}
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}
