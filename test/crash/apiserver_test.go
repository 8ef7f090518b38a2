// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	// conflict is a write that is refused because the object has changed, refused one that fails on the API server's side, unheard one that is
	// carried out and whose answer gets lost.
	conflict way = "conflict"
	refused  way = "refused"
	unheard  way = "unheard"

	// restart is the API server ending, and another one starting, when an operation is about to be sent.
	restart way = "restart"
)

// refusal is how the API server refuses a write that this way strikes; nil when it does not.
func (w way) refusal() *http.Response {
	var err *apierrors.StatusError
	switch w {
	case conflict:
		err = apierrors.NewConflict(schema.GroupResource{Resource: "things"}, "thing", io.EOF)
	case refused:
		err = apierrors.NewInternalError(io.EOF)
	default:
		return nil
	}
	body, _ := json.Marshal(err.ErrStatus) // it is one of the API's own kinds
	return &http.Response{
		StatusCode: int(err.ErrStatus.Code), Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(string(body))),
	}
}

// apiFaults are the ways in which a write can fail. Events are sent again by the machine's clock, some seconds later, and are left out.
func (op operation) apiFaults() []way {
	switch {
	case !op.cached():
		return nil
	case strings.HasSuffix(op.key, ".create"):
		return []way{refused, unheard} // it cannot have changed
	default:
		return []way{conflict, refused, unheard}
	}
}

// restarting is a restart of the API server in the middle of several stories.
type restarting struct {
	waiting sync.WaitGroup
	over    chan struct{}
}

// await returns when the API server was restarted, which happens when all stories are where they are to be.
func (r *restarting) await() {
	r.waiting.Done()
	<-r.over
}

// TestAPIServerRestarts has the API server restart in the middle of every story.
func TestAPIServerRestarts(t *testing.T) {
	type prepared struct {
		at          operation
		undisturbed *ending
	}
	scenes := make([]prepared, len(stories))
	t.Run("undisturbed", func(t *testing.T) {
		for i, s := range stories {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				operations, undisturbed := s.undisturbed(t)
				scenes[i] = prepared{operations[len(operations)/2], undisturbed}
			})
		}
	})
	if t.Failed() {
		return
	}
	r := &restarting{over: make(chan struct{})}
	r.waiting.Add(len(stories))
	failed := make(chan error, 1)
	go func() {
		r.waiting.Wait()
		failed <- controlPlane.RestartAPIServer(context.Background())
		close(r.over)
	}()
	t.Run("restarted", func(t *testing.T) {
		for i, s := range stories {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.restart = r
				s.prepare(w)
				w.gate.begin(&intervention{restart, scenes[i].at}, true)
				s.tell(w)
				w.judgeQuiescence()
				w.compare(scenes[i].undisturbed, w.judge(1))
			})
		}
	})
	select {
	case err := <-failed:
		if err != nil {
			t.Error(err)
		}
	default:
		t.Error("the API server was not restarted")
	}
}
