package pull

import (
	"net/http"
	"sync"
	"time"
)

// questions are requests without credentials that were refused for want of some. A
// node always asks without at first, so that is no failure unless it has none: then
// it does not ask again.
type questions struct {
	mu   sync.Mutex
	open map[string]chan struct{} // closed when it asks with credentials
}

func questionKey(r request) string { return r.node + " " + r.name() }

// ask opens a question; one that is open already gives way to it.
func (q *questions) ask(r request) <-chan struct{} {
	answered := make(chan struct{})
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open == nil {
		q.open = map[string]chan struct{}{}
	}
	if was := q.open[questionKey(r)]; was != nil {
		close(was)
	}
	q.open[questionKey(r)] = answered
	return answered
}

// answer closes the question that a request with credentials answers.
func (q *questions) answer(r request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if was := q.open[questionKey(r)]; was != nil {
		close(was)
		delete(q.open, questionKey(r))
	}
}

// expire takes away a question that nobody answered; false where it was answered or
// asked again meanwhile.
func (q *questions) expire(r request, answered <-chan struct{}) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if was := q.open[questionKey(r)]; was == nil || was != answered {
		return false
	}
	delete(q.open, questionKey(r))
	return true
}

// fail refuses a request and tells why, but of one that may come again with
// credentials only when it did not.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, req request, began time.Time, err error) {
	challenge(w, req, err)
	if req.who != "" || statusOf(err) != http.StatusUnauthorized {
		s.tell(req, 0, began, err)
		refuse(w, r, err)
		return
	}
	answered := s.questions.ask(req)
	s.work.Go(func() {
		timer := time.NewTimer(s.cfg.Every)
		defer timer.Stop()
		select {
		case <-answered:
		case <-timer.C:
			if s.questions.expire(req, answered) {
				s.tell(req, 0, began, err)
			}
		case <-s.background.Done():
		}
	})
	refuse(w, r, err)
}
