// Package browser opens the status page in Chromium, as people see it: the umqttd binary serves it, a real mosquitto and boards on ptys fill it. There is nothing else
// than tests in it.
//
// A test takes a gateway with newRig and a window with rig.open. Whatever a window does is noted: a line in the console, a script that fails, a request to anybody else than
// the gateway is a failure of its test, whatever the test is about.
//
//	go test ./test/browser -run TestEveryPageIsSound -shots /tmp/shots    # pictures of every page, to be looked at
//
// Chromium is the distribution's, and axe-core comes from npm: test/browser/install brings both. It runs headless, knows no host but loopback, and keeps what it writes in the
// test's folder.
package browser
