package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestSchedule(t *testing.T) {
	for name, c := range map[string]struct {
		how   schedule
		fails int // which run does; 0 is none
		runs  int
		took  time.Duration
	}{
		"once":            {schedule{}, 0, 1, time.Minute},
		"three times":     {schedule{every: 5 * time.Minute, times: 3}, 0, 3, 11 * time.Minute},
		"longer than due": {schedule{every: time.Second, times: 3}, 0, 3, 3 * time.Minute},
		"until one fails": {schedule{every: 5 * time.Minute}, 2, 2, 6 * time.Minute},
		"until ctrl+c":    {schedule{every: 20 * time.Minute}, 0, 3, 59 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 59*time.Minute)
				defer cancel()
				runs, began := 0, time.Now()
				err := c.how.run(ctx, func() error {
					runs++
					time.Sleep(time.Minute)
					if runs == c.fails {
						return errors.New("an expectation did not hold")
					}
					return nil
				})
				if (err != nil) != (c.fails > 0) || runs != c.runs || time.Since(began) != c.took {
					t.Errorf("%d runs in %v, %v", runs, time.Since(began), err)
				}
			})
		})
	}
	for _, s := range []schedule{{every: -1}, {times: 2}, {every: 1, times: -1}} {
		if s.validate() == nil {
			t.Errorf("%+v is taken", s)
		}
	}
}
