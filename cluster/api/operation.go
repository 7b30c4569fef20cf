package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"workbench/cluster/event"
)

// OperationRequest asks for an operation: something that takes several steps,
// each of which is stepLine as it is done.
type OperationRequest struct {
	// Verb is etcd.{members,status,move-leader,defrag,compact,snapshot,restore,
	// add-learner,promote,remove}, node.{add,remove}, image.{load,rm},
	// pulse.{on,off} or scene.save.
	Verb string `json:"verb"`
	// Target is a node, or the name of a scene or an image; "" where the verb chooses one or means all.
	Target string `json:"target,omitempty"`
	// Revision to compact to; 0 is the newest.
	Revision int64 `json:"revision,omitempty"`
	// Role, CPUs (cores) and MemoryBytes are those of a node to add; limits of 0 are
	// the others'.
	Role        event.Role `json:"role,omitempty"`
	CPUs        float64    `json:"cpus,omitempty"`
	MemoryBytes int64      `json:"memoryBytes,omitempty"`
	// File is the absolute path of a snapshot.
	File string `json:"file,omitempty"`
	// Image is one that is in the pool and becomes the lab's.
	Image *event.ImageLoaded `json:"image,omitempty"`
	// Yes says that its dangers are known.
	Yes bool `json:"yes,omitempty"`
}

// Operations is what operates a lab. Say is called with each step as it is done;
// an error before the first is a refusal, and a *Danger asks to be confirmed.
type Operations interface {
	Operate(ctx context.Context, r OperationRequest, say func(string)) error
}

// stepLine is one line of an answer that is given as the operation goes.
type stepLine struct {
	Text  string `json:"text,omitempty"`
	Error string `json:"error,omitempty"`
}

// handleOperations serves POST /v1/operations: NDJSON, a line for each step.
func handleOperations(mux *http.ServeMux, lab Operations) {
	mux.HandleFunc("POST /v1/operations", func(w http.ResponseWriter, r *http.Request) {
		var req OperationRequest
		if !decode(w, r, &req) {
			return
		}
		flush, enc, began := http.NewResponseController(w), json.NewEncoder(w), false
		line := func(t stepLine) {
			if !began {
				began = true
				w.Header().Set("Content-Type", "application/x-ndjson")
			}
			_ = enc.Encode(t) // the operation goes on without a client that left
			_ = flush.Flush()
		}
		err := lab.Operate(r.Context(), req, func(text string) { line(stepLine{Text: text}) })
		switch {
		case err == nil:
		case began:
			line(stepLine{Error: err.Error()})
		default:
			refuseOrAsk(w, err)
		}
	})
}

// refuseOrAsk answers a refused request; one that is dangerous with its dangers.
func refuseOrAsk(w http.ResponseWriter, err error) {
	var danger *Danger
	if !errors.As(err, &danger) {
		refuse(w, http.StatusConflict, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusPreconditionRequired)
	_ = json.NewEncoder(w).Encode(Problem{Error: err.Error(), Text: danger.Text, Danger: danger.Reasons})
}

// Operate asks for an operation and calls say with each step. The error is a
// *Danger where it must be confirmed.
func (c *Client) Operate(ctx context.Context, r OperationRequest, say func(string)) error {
	resp, err := c.do(ctx, http.MethodPost, "/v1/operations", r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	dec := json.NewDecoder(resp.Body)
	for {
		var t stepLine
		switch err := dec.Decode(&t); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("%s: the supervisor is gone: %w", r.Verb, err)
		case t.Error != "":
			return errors.New(t.Error)
		}
		say(t.Text)
	}
}
