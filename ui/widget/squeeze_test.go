package widget

import (
	"slices"
	"testing"
)

func TestSqueezeKeepsPeaks(t *testing.T) {
	for _, c := range []struct {
		values []float64
		w      int
		want   []float64
	}{
		{nil, 3, nil},
		{[]float64{1, 2}, 3, []float64{1, 2}},
		{[]float64{1, 9, 2, 3}, 2, []float64{9, 3}},
		{[]float64{-1, -1, 5, -1, -1}, 2, []float64{-1, 5}}, // nothing measured stays nothing
		{[]float64{1, 2, 3, 4, 5, 6, 7}, 3, []float64{2, 4, 7}},
		{[]float64{1, 2}, 0, []float64{1, 2}},
	} {
		if got := Squeeze(c.values, c.w); !slices.Equal(got, c.want) {
			t.Errorf("Squeeze(%v, %d) = %v, want %v", c.values, c.w, got, c.want)
		}
	}
}
