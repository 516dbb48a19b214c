package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// What live pages may take of the gateway.
const (
	maxListeners  = 16 // of the 64 connections that there may be
	tick          = time.Second
	writeTimeout  = 5 * time.Second // for a browser to take an event; a slower one is dropped, and comes again
	retryAfter    = 2 * time.Second // the browser's pause before it connects again
	tooManyRetry  = "10"            // seconds
	keepaliveTick = 15              // ticks without a change until something is sent, so that a browser that has gone is noticed
)

// part is a piece of a page that is replaced as a whole.
type part struct {
	ID   string `json:"id"`
	HTML string `json:"html"`
}

// moment is all parts of the page at one time, in order. It is immutable.
type moment struct {
	parts []part
	gone  bool          // the page is no more
	next  chan struct{} // closed when there is a newer one
}

// hub renders what listeners see. One goroutine does it for all of them, and only while there are any: an idle gateway does not wake for it.
// A listener takes the newest moment when it is done with the last, so a slow one skips some and never holds up another.
type hub struct {
	render func(keys []string) map[string]moment // of each page

	mu        sync.Mutex
	listeners map[string]int // by page
	count     int
	latest    map[string]*moment
	stop      chan struct{} // ends the producer
	closed    bool
	running   sync.WaitGroup
	over      chan struct{} // closed with the hub
}

func newHub(render func([]string) map[string]moment) *hub {
	return &hub{render: render, listeners: make(map[string]int), latest: make(map[string]*moment), over: make(chan struct{})}
}

// join adds a listener to a page; it reports false if there are too many, or the server ends.
func (h *hub) join(page string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.count == maxListeners {
		return false
	}
	h.count++
	h.listeners[page]++
	if h.latest[page] == nil {
		h.latest[page] = &moment{next: make(chan struct{})} // until the producer has rendered one
	}
	if h.count == 1 {
		stop := make(chan struct{})
		h.stop = stop
		h.running.Go(func() { h.produce(stop) })
	}
	return true
}

func (h *hub) leave(page string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count--
	if h.listeners[page]--; h.listeners[page] == 0 {
		delete(h.listeners, page)
		delete(h.latest, page)
	}
	if h.count == 0 {
		close(h.stop)
	}
}

// close ends all streams and waits for the producer.
func (h *hub) close() {
	h.mu.Lock()
	if !h.closed {
		h.closed = true
		close(h.over)
	}
	h.mu.Unlock()
}

func (h *hub) now(page string) *moment {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.latest[page]
}

// produce renders every tick what somebody looks at.
func (h *hub) produce(stop chan struct{}) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		h.publish(h.render(h.pages()))
		select {
		case <-ticker.C:
		case <-stop:
			return
		}
	}
}

func (h *hub) pages() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var pages []string
	for page := range h.listeners {
		pages = append(pages, page)
	}
	return pages
}

func (h *hub) publish(moments map[string]moment) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for page, m := range moments {
		if before := h.latest[page]; before != nil {
			h.latest[page] = &moment{m.parts, m.gone, make(chan struct{})}
			close(before.next)
		}
	}
}

// update is what an event says: the ids of all parts in order, and those that have changed.
type update struct {
	Order []string `json:"order"`
	Parts []part   `json:"parts"`
}

// stream sends a page's changes until the browser or the server goes.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	page := r.PathValue("name")
	if page != "" && !s.has(page) {
		http.NotFound(w, r)
		return
	}
	if !s.hub.join(page) {
		w.Header().Set("Retry-After", tooManyRetry)
		http.Error(w, "Too many pages are open.", http.StatusServiceUnavailable)
		return
	}
	defer s.hub.leave(page)
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // a listener says nothing more
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would collect events
	send := func(text []byte) bool {
		_ = control.SetWriteDeadline(time.Now().Add(writeTimeout))
		_, err := w.Write(text)
		return err == nil && control.Flush() == nil
	}
	if !send(fmt.Appendf(nil, "retry: %d\n\n", retryAfter.Milliseconds())) || r.Method == http.MethodHead {
		return
	}
	sent, quiet := map[string]string{}, 0
	for {
		m := s.hub.now(page)
		if m.gone {
			return
		}
		if u := difference(sent, m.parts); u != nil {
			text, err := json.Marshal(u)
			if err != nil || !send(fmt.Appendf(nil, "data: %s\n\n", text)) {
				return
			}
			quiet = 0
		} else if quiet++; quiet == keepaliveTick {
			if quiet = 0; !send([]byte(":\n\n")) {
				return
			}
		}
		select {
		case <-m.next:
		case <-r.Context().Done():
			return
		case <-s.hub.over:
			return
		}
	}
}

// difference returns what a listener that has been sent some parts lacks, and notes it as sent. nil: nothing.
func difference(sent map[string]string, parts []part) *update {
	u := update{Parts: []part{}}
	there := make(map[string]bool, len(parts))
	for _, p := range parts {
		there[p.ID] = true
		u.Order = append(u.Order, p.ID)
		if sent[p.ID] != p.HTML {
			u.Parts = append(u.Parts, p)
			sent[p.ID] = p.HTML
		}
	}
	changed := len(u.Parts) > 0
	for id := range sent {
		if !there[id] && len(parts) > 0 {
			delete(sent, id)
			changed = true
		}
	}
	if !changed {
		return nil
	}
	return &u
}

// moments renders the pages that somebody looks at, from one status.
func (s *Server) moments(pages []string) map[string]moment {
	status := s.cfg.Gateway.Status()
	all := make(map[string]moment, len(pages))
	for _, name := range pages {
		v, ok := newView(status, s.cfg.ShowPayloads), true
		if name != "" {
			v, ok = v.only(name)
		}
		m := moment{gone: !ok}
		if ok {
			m.parts = s.parts(&v)
		}
		all[name] = m
	}
	return all
}

func (s *Server) parts(v *view) []part {
	parts := []part{{"top", s.execute("top", v)}}
	for i := range v.Devices {
		d := &v.Devices[i]
		parts = append(parts, part{d.ID(), s.execute("device", d)})
	}
	return parts
}

func (s *Server) execute(name string, data any) string {
	var text bytes.Buffer
	if err := page.ExecuteTemplate(&text, name, data); err != nil {
		s.cfg.Log.Error("status page not rendered", "part", name, "error", err)
	}
	return text.String()
}

// has reports whether a device of that name is configured.
func (s *Server) has(name string) bool {
	for _, d := range s.cfg.Gateway.Status().Devices {
		if d.Name == name {
			return true
		}
	}
	return false
}
