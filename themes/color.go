package themes

import (
	"fmt"
	"math"
	"strconv"
)

// rgb is a colour in linear light, each channel 0 to 1.
type rgb [3]float64

func parseColor(s string) (rgb, error) {
	if len(s) != 7 || s[0] != '#' {
		return rgb{}, fmt.Errorf("colour %q is not #rrggbb", s)
	}
	n, err := strconv.ParseUint(s[1:], 16, 32)
	if err != nil {
		return rgb{}, fmt.Errorf("colour %q is not #rrggbb", s)
	}
	var c rgb
	for i, shift := range []uint{16, 8, 0} {
		c[i] = linear(float64(n>>shift&0xff) / 255)
	}
	return c, nil
}

// linear undoes the sRGB transfer function.
func linear(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

// luminance is WCAG's relative luminance, 0 to 1.
func (c rgb) luminance() float64 { return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2] }

// contrast is WCAG's contrast ratio of two colours, 1 to 21.
func contrast(a, b rgb) float64 {
	la, lb := a.luminance(), b.luminance()
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// lab is the colour in CIE L*a*b* under D65.
func (c rgb) lab() [3]float64 {
	x := (0.4124*c[0] + 0.3576*c[1] + 0.1805*c[2]) / 0.9505
	y := c.luminance()
	z := (0.0193*c[0] + 0.1192*c[1] + 0.9505*c[2]) / 1.089
	f := func(t float64) float64 {
		if t > 0.008856 {
			return math.Cbrt(t)
		}
		return 7.787*t + 16.0/116
	}
	return [3]float64{116*f(y) - 16, 500 * (f(x) - f(y)), 200 * (f(y) - f(z))}
}

// distance is how different two colours look (CIE76); 2.3 is just noticeable.
func distance(a, b rgb) float64 {
	la, lb := a.lab(), b.lab()
	return math.Sqrt(sq(la[0]-lb[0]) + sq(la[1]-lb[1]) + sq(la[2]-lb[2]))
}

func sq(v float64) float64 { return v * v }

// Vision is how a kind of eye maps linear colours (Viénot, Brettel and Mollon 1999).
type vision [3][3]float64

func visions() map[string]vision {
	return map[string]vision{
		"without red receptors":   {{0.11238, 0.88762, 0}, {0.11238, 0.88762, 0}, {0.00401, -0.00401, 1}},
		"without green receptors": {{0.29275, 0.70725, 0}, {0.29275, 0.70725, 0}, {-0.02234, 0.02234, 1}},
	}
}

func (v vision) see(c rgb) rgb {
	var out rgb
	for i, row := range v {
		out[i] = max(0, min(1, row[0]*c[0]+row[1]*c[1]+row[2]*c[2]))
	}
	return out
}
