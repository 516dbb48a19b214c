package web

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// hostNames lists the names a request may use: localhost, the machine's name, that name as mDNS spells it, and the name in http.listen.
//
// A site that an attacker controls can make its own name point to this machine (DNS rebinding); the visitor's browser then takes our pages for the
// site's own and lets it read them. But it still sends the site's name as Host, and that name is not in this list.
func hostNames(machine, listen string) map[string]bool {
	names := map[string]bool{"localhost": true}
	for _, name := range []string{machine, machine + ".local", listen} {
		if name = canonical(name); name != "" && name != "local" {
			names[name] = true
		}
	}
	return names
}

// canonical returns the name without its case and without the dot that ends a complete domain name.
func canonical(name string) string { return strings.TrimSuffix(strings.ToLower(name), ".") }

// welcome says whether the request was meant for this gateway.
func (s *Server) welcome(r *http.Request) bool {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if host == "" {
		return true // HTTP/1.0, which no browser speaks
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return s.hosts[canonical(host)]
	}
	if addr = addr.Unmap(); addr.IsLoopback() {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	here, err := netip.ParseAddrPort(local.String())
	return err == nil && here.Addr().Unmap().WithZone("") == addr.WithZone("")
}

// policy lets the page load its own style sheet, icon, script and events and nothing else: no inline script, no frame, no form.
const policy = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// guard refuses what was not meant for this gateway, and says on every answer what a browser may do with it.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		setDefault(h, "Content-Security-Policy", policy) // the web configuration may have set one
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !s.welcome(r) {
			plain(w, http.StatusMisdirectedRequest)
			_, _ = fmt.Fprintln(w, "This is not the name of this gateway. Use its IP address or host name, or put this name into http.listen.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func setDefault(h http.Header, key, value string) {
	if h.Get(key) == "" {
		h.Set(key, value)
	}
}
