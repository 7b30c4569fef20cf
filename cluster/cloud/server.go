package cloud

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
)

// Problem is why a request was refused.
type Problem struct {
	Error string `json:"error"`
}

// Handler is the cloud's API. Who can open the socket that it is served on may
// do all.
//
//	GET             /v1/instances/{name}
//	GET, PUT        /v1/routes                DELETE /v1/routes?cidr=CIDR
//	GET, PUT, DELETE /v1/balancers/{id}
func Handler(c *Cloud) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/instances/{name}", func(w http.ResponseWriter, r *http.Request) {
		i, err := c.Instance(r.PathValue("name"))
		answer(w, i, err)
	})
	mux.HandleFunc("GET /v1/routes", func(w http.ResponseWriter, _ *http.Request) { answer(w, c.Routes(), nil) })
	mux.HandleFunc("PUT /v1/routes", func(w http.ResponseWriter, r *http.Request) {
		var route Route
		if decode(w, r, &route) {
			answer(w, route, c.SetRoute(route))
		}
	})
	mux.HandleFunc("DELETE /v1/routes", func(w http.ResponseWriter, r *http.Request) {
		cidr, err := netip.ParsePrefix(r.URL.Query().Get("cidr"))
		if err == nil {
			err = c.RemoveRoute(cidr)
		}
		answer(w, struct{}{}, err)
	})
	mux.HandleFunc("GET /v1/balancers/{id}", func(w http.ResponseWriter, r *http.Request) {
		b, err := c.Balancer(r.PathValue("id"))
		answer(w, b, err)
	})
	mux.HandleFunc("PUT /v1/balancers/{id}", func(w http.ResponseWriter, r *http.Request) {
		var want Want
		if !decode(w, r, &want) {
			return
		}
		want.ID = r.PathValue("id")
		b, err := c.SetBalancer(want)
		answer(w, b, err)
	})
	mux.HandleFunc("DELETE /v1/balancers/{id}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, struct{}{}, c.RemoveBalancer(r.PathValue("id")))
	})
	return mux
}

// maxBody bounds a request, in bytes.
const maxBody = 64 << 10

func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(into); err != nil {
		write(w, http.StatusBadRequest, Problem{"read the request: " + err.Error()})
		return false
	}
	return true
}

func answer(w http.ResponseWriter, v any, err error) {
	switch {
	case err == nil:
		write(w, http.StatusOK, v)
	case errors.Is(err, ErrNotFound):
		write(w, http.StatusNotFound, Problem{err.Error()})
	case errors.Is(err, ErrConflict):
		write(w, http.StatusConflict, Problem{err.Error()})
	default:
		write(w, http.StatusInternalServerError, Problem{err.Error()})
	}
}

func write(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // a client that left needs no answer
}
