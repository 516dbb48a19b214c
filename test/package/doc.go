// Package debian tests what the Debian package installs: the systemd unit, the udev rules, the manual pages and the configuration of a fresh
// installation. It starts systemd-analyze and mandoc, which are in Debian's packages systemd and mandoc.
package debian
