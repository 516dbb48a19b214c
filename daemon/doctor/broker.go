package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/mqttcore/packet"
)

const (
	// brokerPatience is how long a broker may take for each step.
	brokerPatience = 10 * time.Second
	// soon is how long before its end a certificate is warned of.
	soon = 14 * 24 * time.Hour
)

// Broker looks at the files of a broker, connects to it and logs in under a client id of its own, which disturbs no session.
func (d *Doctor) Broker(ctx context.Context, b *config.Broker) {
	e := exam{d, "broker " + b.Label()}
	if b.URL == config.Embedded {
		e.ok("reached", "it is inside umqttd")
		return
	}
	for _, path := range []string{b.PasswordFile, b.TLS.KeyFile} {
		if path != "" {
			e.secret(path)
		}
	}
	dialer, err := b.Dialer()
	if err != nil {
		e.problem("files", strings.TrimPrefix(err.Error(), "mqttcore: "), "umqttd check names the line; see docs/configuration.md")
		return
	}
	if s, withTLS := dialer.TLSStatus(); withTLS {
		e.expiry("client certificate", b.TLS.CertFile, s.ClientNotAfter)
		e.expiry("authorities", b.TLS.CAFile, s.CANotAfter)
	}
	dial := dialer.Dial
	if d.Dial != nil {
		dial = func(ctx context.Context) (net.Conn, error) { return d.Dial(ctx, b) }
	}
	ctx, cancel := context.WithTimeout(ctx, brokerPatience)
	defer cancel()
	conn, err := dial(ctx)
	if err != nil {
		e.unreachable("reached", err)
		return
	}
	defer func() { _ = conn.Close() }()
	e.ok("reached", "%s answers", conn.RemoteAddr())
	if secure, ok := conn.(interface{ ConnectionState() tls.ConnectionState }); ok {
		for _, cert := range secure.ConnectionState().PeerCertificates[:1] {
			e.expiry("its certificate", "the broker", cert.NotAfter)
		}
	}
	e.logIn(conn, b)
}

// secret looks who may read a file that only the gateway should.
func (e exam) secret(path string) {
	info, err := os.Stat(path)
	if err != nil {
		e.problem("key file", err.Error(), "write the file, or its right name")
		return
	}
	u, owned := e.d.user(), e.d.owned(info)
	switch {
	case !u.may(info, 0o4):
		e.problem("key file", fmt.Sprintf("%s may not read %s (%s)", u.Name, path, owned), fmt.Sprintf("sudo chgrp %s %s && sudo chmod 640 %s", u.Name, path, path))
	case info.Mode().Perm()&0o004 != 0:
		e.warn("key file", fmt.Sprintf("every user of this machine can read %s (%s)", path, owned), "sudo chmod o-r "+path)
	default:
		e.ok("key file", "%s is for %s to read (%s)", path, u.Name, owned)
	}
}

// expiry looks how long a certificate is good. Zero: there is none.
func (e exam) expiry(check, where string, end time.Time) {
	left := end.Sub(e.d.now())
	day := end.UTC().Format(time.DateOnly)
	switch {
	case end.IsZero():
	case left <= 0:
		e.problem(check, fmt.Sprintf("%s: expired on %s", where, day), "renew it; umqttd takes the new file by itself. If it is renewed already, look at this machine's clock")
	case left < soon:
		e.warn(check, fmt.Sprintf("%s: expires on %s, in %d days", where, day, int(left.Hours()/24)), "renew it; umqttd takes the new file by itself")
	default:
		e.ok(check, "%s: good until %s", where, day)
	}
}

// unreachable says why a broker cannot be reached.
func (e exam) unreachable(check string, err error) {
	text := strings.TrimPrefix(err.Error(), "mqttcore: ")
	e.problem(check, text, dialFix(err))
}

// dialFix says what to do about an error of dialing.
func dialFix(err error) string {
	if name, ok := errors.AsType[*net.DNSError](err); ok {
		return "is " + name.Name + " spelled right, and does this machine have a name server? getent hosts " + name.Name
	}
	if fix := certificateFix(err); fix != "" {
		return fix
	}
	switch text := err.Error(); {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens there: does the broker run, is it the right port, does it listen on more than its own loopback?"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no way to that address: ip route, and the network cable"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "a firewall drops the packets, or the address is wrong"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return "it closed at once: does this port speak TLS (then write mqtts://), or does it want a certificate? The broker's log says"
	case strings.Contains(text, "websocket") || strings.Contains(text, "handshake response"):
		return "is there a WebSocket at that path? Brokers have /mqtt, or /"
	}
	return "the broker's log may say more"
}

// certificateFix says what to do about an error of TLS, or "" if it is none.
func certificateFix(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "write in tls.ca_file the certificate that has signed the broker's"
	}
	if host, ok := errors.AsType[x509.HostnameError](err); ok {
		names := append([]string(nil), host.Certificate.DNSNames...)
		for _, ip := range host.Certificate.IPAddresses {
			names = append(names, ip.String())
		}
		return "its certificate is for " + strings.Join(names, ", ") + ": write one of them in the url, or as tls.server_name"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if invalid.Reason == x509.Expired {
			return "renew the broker's certificate; or this machine's clock is wrong: timedatectl"
		}
		return "the broker's certificate is not fit for a server; have it made anew"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "that port does not speak TLS: write mqtt://, or the port of mqtts://, usually 8883"
	}
	if strings.Contains(err.Error(), "remote error: tls:") {
		return "the broker does not accept our certificate: write tls.cert_file and key_file, signed by the authority it asks for; its log says what it dislikes"
	}
	return ""
}

// logIn sends CONNECT and judges the answer.
func (e exam) logIn(conn net.Conn, b *config.Broker) {
	connect := packet.Connect{
		ClientID: fmt.Appendf(nil, "umqttd-doctor-%d", os.Getpid()), CleanSession: true, KeepAlive: 30,
		HasUsername: b.Username != "", Username: []byte(b.Username),
	}
	if b.PasswordFile != "" {
		password, err := config.ReadPassword(b.PasswordFile)
		if err != nil {
			e.problem("login", strings.TrimPrefix(err.Error(), "config: "), "write the password in its first line")
			return
		}
		connect.HasPassword, connect.Password = true, password
	}
	ack, err := exchange(conn, connect.Append(nil))
	if err != nil {
		e.unreachable("login", err)
		return
	}
	switch ack.Code {
	case 0:
		e.ok("login", "accepted")
		_, _ = conn.Write(packet.AppendDisconnect(nil))
	case 2:
		e.warn("login", "the broker refuses the client id "+string(connect.ClientID), "if it accepts only ids that it knows, this is no fault: the gateway's log says how boards fare")
	case 3:
		e.problem("login", "the broker says that it is not available", "see its log")
	default: // 4 or 5; mosquitto says 5 of a wrong password
		e.problem("login", fmt.Sprintf("the broker refuses the user (return code %d)", ack.Code), "look at username and password_file, or at the certificate's name; or the broker accepts only client ids that it knows. Its log says which")
	}
}

// exchange sends CONNECT and reads the packet that comes back.
func exchange(conn net.Conn, connect []byte) (packet.Connack, error) {
	if err := conn.SetDeadline(time.Now().Add(brokerPatience)); err != nil {
		return packet.Connack{}, err
	}
	if _, err := conn.Write(connect); err != nil {
		return packet.Connack{}, err
	}
	const size = 4 // CONNACK has no other
	answer := make([]byte, size)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return packet.Connack{}, err
	}
	ack, err := packet.ParseConnack(bytes.Clone(answer))
	if err != nil {
		return ack, fmt.Errorf("this is no MQTT broker: %w", err)
	}
	return ack, nil
}
