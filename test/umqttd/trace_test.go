package umqttd

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseTrace(t *testing.T) {
	const trace = `17 openat(AT_FDCWD<\x2f>, "\x2f\x74", O_RDWR|O_CREAT|O_CLOEXEC, 0644) = 9<\x2f\x74>
17 pwrite64(9<\x2f\x74>, "\x61\x22\x3e", 3, 4096 <unfinished ...>
18 write(5<\x2f\x75>, "\x62", 1) = 1
17 <... pwrite64 resumed>) = 3
18 fdatasync(9<\x2f\x74>) = -1 EIO (Input/output error)
18 --- SIGURG {si_signo=SIGURG} ---
18 writev(5<\x2f\x75>, [{iov_base="\x63", iov_len=1}, {iov_base="\x64", iov_len=1}], 2) = 2
17 fdatasync(9<\x2f\x74> <unfinished ...>
18 write(5<\x2f\x75>, "\x65", 1) = ?
19 write(5<\x2f\x75>, "\x66", 1 <unfinished ...>
19 <... write resumed>) = ?
17 +++ killed by SIGKILL +++
`
	calls, err := parseTrace(strings.NewReader(trace))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range calls {
		got = append(got, fmt.Sprintf("%d-%d %s %s %q %d", c.Entered, c.Returned, c.Name, c.File, c.Data, c.Result))
	}
	want := []string{
		`1-1 openat /t "" 9`,
		`2-4 pwrite64 /t "a\">" 3`,
		`3-3 write /u "b" 1`,
		`5-5 fdatasync /t "" -1`,
		`7-7 writev /u "cd" 2`,
		`8-0 fdatasync /t "" -1`,
		`9-0 write /u "e" -1`,
		`10-0 write /u "f" -1`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("read\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !strings.Contains(calls[0].Flags, "O_CREAT") {
		t.Errorf("the flags of the open are %q", calls[0].Flags)
	}
	for _, bad := range []string{"17 <... write resumed>) = 1\n", "17 what\n", `17 write(5<\x2f>, "\x61"..., 9) = 9` + "\n"} {
		if _, err := parseTrace(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
