package web

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
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
	"visible": logs.Visible, // the template escapes HTML; this, what misleads the eye
	"age":     age,
	"span":    span,
	"group":   group,
	"size":    size,
	"volume":  volume,
	"ms":      milliseconds,
	"excerpt": excerpt,
	"word":    word,
}).ParseFS(files, "assets/page.html"))

// view is what the template gets.
type view struct {
	Status
	Devices                 []deviceView
	All, Up, Boards, Online int    // devices, those that are up; boards connected; of these, with the broker
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

// hop is one step on the way of a message.
type hop struct{ Name, Points, Last string }

// ID names the device's part of the page.
func (d *deviceView) ID() string { return "device-" + logs.Visible(d.Name) }

// Hops returns the latencies for the template.
func (d *deviceView) Hops() []hop {
	return []hop{
		newHop("serial round trip", d.SerialTrips), newHop("broker round trip", d.BrokerTrips), newHop("uplink, end to end", d.UplinkTimes),
	}
}

func newHop(name string, trips []time.Duration) hop {
	h := hop{Name: name, Last: "–"}
	var points []string
	for _, d := range trips {
		points = append(points, strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', -1, 64))
		h.Last = milliseconds(max(d, time.Microsecond))
	}
	h.Points = strings.Join(points, " ")
	return h
}

func newView(status Status, showPayloads bool) view {
	v := view{Status: status, All: len(status.Devices), Events: "events"}
	for _, d := range status.Devices {
		if d.Up {
			v.Up++
		}
		for _, b := range d.Boards {
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

// excerpt returns the beginning of a payload.
func excerpt(payload []byte) string {
	if len(payload) > maxPayload {
		return logs.Visible(string(payload[:maxPayload])) + "…"
	}
	return logs.Visible(string(payload))
}

// age returns how long ago t was.
func age(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	if now.Sub(t) < time.Second {
		return "now"
	}
	return span(now, t) + " ago"
}

// span returns the time from t to now in its one or two largest units.
func span(now, t time.Time) string {
	d := max(now.Sub(t), 0)
	days, hours, minutes, seconds := int(d.Hours())/24, int(d.Hours())%24, int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case days > 0:
		return fmt.Sprintf("%d d %d h", days, hours)
	case hours > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%d min", minutes)
	default:
		return fmt.Sprintf("%d s", seconds)
	}
}

// group returns the number with a narrow space between groups of three digits.
func group(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	return digits
}

// size returns the size of a message.
func size(bytes int) string { return volume(int64(bytes)) }

// volume returns a number of bytes.
func volume(bytes int64) string {
	switch {
	case bytes < 10_000:
		return fmt.Sprintf("%d B", bytes)
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(bytes)/1024)
}

// milliseconds returns a round trip; 0 means that none was measured.
func milliseconds(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', 1, 64) + " ms"
}
