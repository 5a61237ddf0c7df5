package metrics

import (
	"testing"
	"time"
)

func TestStartTime(t *testing.T) {
	day := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name    string
		started time.Time
		uptime  time.Duration
		now     time.Time
		want    time.Time
	}{
		{"the clock was right", day, time.Hour, day.Add(time.Hour + time.Millisecond), day},
		{"the clock was in 1970", time.Unix(20, 0), time.Hour, day, day.Add(-time.Hour)},
		{"the clock was ahead", day.AddDate(5, 0, 0), time.Hour, day, day.Add(-time.Hour)},
	} {
		if got := startTime(tt.started, tt.uptime, tt.now); !got.Equal(tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
