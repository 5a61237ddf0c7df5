package screen

import (
	"math"
	"strconv"
	"strings"
)

// calibration turns a place on a touch panel into one on the monitor, both from
// 0 to 1: x' = a·x + b·y + c, y' = d·x + e·y + f.
type calibration [6]float64

var noCalibration = calibration{1, 0, 0, 0, 1, 0}

// parseCalibration parses the six numbers of LIBINPUT_CALIBRATION_MATRIX. It
// returns noCalibration for a mistake.
func parseCalibration(text string) (c calibration) {
	fields := strings.Fields(text)
	if len(fields) != len(c) {
		return noCalibration
	}
	for i, field := range fields {
		n, err := strconv.ParseFloat(field, 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return noCalibration
		}
		c[i] = n
	}
	return c
}

// apply returns the place on the monitor.
func (c calibration) apply(x, y float64) (float64, float64) {
	return max(0, min(1, c[0]*x+c[1]*y+c[2])), max(0, min(1, c[3]*x+c[4]*y+c[5]))
}
