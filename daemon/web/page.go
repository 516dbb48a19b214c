package web

import (
	"bytes"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/umqttd/umqttd/daemon/logs"
)

// What the page shows at most. The rest is counted.
const (
	maxBoards  = 100 // of one device
	maxTopics  = 5   // of one board
	maxPayload = 64  // bytes of one message
)

var page = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"visible":  logs.Visible, // the template escapes HTML; this, what misleads the eye
	"age":      age,
	"span":     span,
	"group":    group,
	"number":   func(n int) string { return group(uint64(max(n, 0))) },
	"size":     size,
	"volume":   volume,
	"ms":       milliseconds,
	"excerpt":  excerpt,
	"word":     word,
	"commands": commands,
}).ParseFS(files, "assets/page.html"))

// view is what the template gets.
type view struct {
	Status
	Devices                 []deviceView
	All, Up, Boards, Online int    // devices, those that are up; boards connected; of these, with the broker
	PerMinute               int    // messages in the last minute
	Waiting                 uint64 // messages in the outbox
	Only                    string // the device that the page is about; empty for all
	Root, Events            string // relative URLs: the page works below any path of a reverse proxy
}

// deviceView is one device on a page.
type deviceView struct {
	Device
	Boards       []Board // the ones that are shown
	Hidden       int     // how many are not
	Taken        time.Time
	ShowPayloads bool
	Detail       bool // it has the page for itself
}

// ID names the device's part of the page.
func (d *deviceView) ID() string { return "device-" + logs.Visible(d.Name) }

func newView(status Status, showPayloads bool) view {
	v := view{Status: status, All: len(status.Devices), Events: "events"}
	for _, d := range status.Devices {
		if d.Up {
			v.Up++
		}
		v.Waiting += d.Stored
		for _, b := range d.Boards {
			v.PerMinute += b.PerMinute
			if b.Session == Active || b.Session == Asleep {
				v.Boards++
				if b.BrokerOnline {
					v.Online++
				}
			}
		}
		device := newDeviceView(d)
		device.Taken, device.ShowPayloads = status.Taken, showPayloads
		v.Devices = append(v.Devices, device)
	}
	return v
}

// only returns the view of one device; false if there is none of that name.
func (v view) only(name string) (view, bool) {
	i := slices.IndexFunc(v.Devices, func(d deviceView) bool { return d.Name == name })
	if i < 0 {
		return v, false
	}
	v.Devices = v.Devices[i : i+1]
	v.Devices[0].Detail = true
	v.Only, v.Root, v.Events = name, "../", url.PathEscape(name)+"/events"
	return v, true
}

func newDeviceView(d Device) deviceView {
	shown := slices.Clone(d.Boards[:min(len(d.Boards), maxBoards)])
	for i, b := range shown {
		shown[i].Topics = b.Topics[:min(len(b.Topics), maxTopics)]
	}
	return deviceView{Device: d, Boards: shown, Hidden: len(d.Boards) - len(shown)}
}

// page answers with the status page, or that of one device. It is rendered whole before the first byte goes out.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	v := newView(s.cfg.Gateway.Status(), s.cfg.ShowPayloads)
	if name := r.PathValue("name"); name != "" {
		var ok bool
		if v, ok = v.only(name); !ok {
			http.NotFound(w, r)
			return
		}
	}
	var text bytes.Buffer
	if err := page.Execute(&text, &v); err != nil {
		s.cfg.Log.Error("status page not rendered", "error", err)
		http.Error(w, "The status page cannot be shown; the log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = text.WriteTo(w)
}

// word returns the state of a session as a class of the style sheet.
func word(s Session) string { return strings.Fields(s.String())[0] }

// excerpt returns the beginning of what a message said, as far as it was kept.
func excerpt(t Topic) string {
	kept := t.Payload[:min(len(t.Payload), maxPayload)]
	text := logs.Visible(string(kept))
	if len(kept) > 0 && (len(kept) < len(t.Payload) || len(kept) < t.Size) {
		text += "…"
	}
	return text
}
