package web

import (
	"fmt"
	"net/http"

	"github.com/umqttd/umqttd/daemon/logs"
)

// healthy answers 200 as soon as the server serves: the process lives.
func (s *Server) healthy(w http.ResponseWriter, _ *http.Request) {
	plain(w, http.StatusOK)
	_, _ = fmt.Fprintln(w, "umqttd is healthy.")
}

// answerReady answers 200 if every configured task is ready, and 503 with the reasons if not.
func (s *Server) answerReady(w http.ResponseWriter, _ *http.Request) {
	reasons := s.cfg.Gateway.NotReady()
	if len(reasons) == 0 {
		plain(w, http.StatusOK)
		_, _ = fmt.Fprintln(w, "umqttd is ready.")
		return
	}
	plain(w, http.StatusServiceUnavailable)
	_, _ = fmt.Fprintln(w, "umqttd is not ready:")
	for _, reason := range reasons {
		_, _ = fmt.Fprintln(w, logs.Visible(reason))
	}
}

// plain begins a text answer.
func plain(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
}
