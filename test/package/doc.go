// Package debian tests what is installed: the systemd unit, the udev rules, the manual pages, and with the build tag deb the Debian packages.
//
//	go test ./test/package                  # what takes seconds; part of make test
//	test/package/install-packages           # lintian, mmdebstrap, systemd-nspawn, nfpm
//	go test -tags deb ./test/package -v     # packages are built, compared, and installed in a container with systemd
//
// The container is Debian, made from the distribution's packages and kept in ${XDG_CACHE_HOME:-~/.cache}/umqttd-package. It takes root: systemd-nspawn does.
package debian
