package pull

import (
	"time"

	"workbench/cluster/event"
)

// tellProgress tells every so often how far a request is, until stop is called: of
// one that takes long, and only what is new.
func (s *Server) tellProgress(now func() event.ImageProgress) (stop func()) {
	ended, end := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(s.cfg.Every)
		defer ticker.Stop()
		told := int64(-1)
		for {
			select {
			case <-ticker.C:
				if p := now(); p.Bytes != told {
					told = p.Bytes
					s.cfg.Emit(p)
				}
			case <-end:
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}
