package firmware

import (
	"strconv"
	"strings"
	"testing"
)

// budgets are the bytes of text that the whole client may take, framing included, at -Os. They stand a little above what it takes: who adds to it decides so.
var budgets = map[string]int{"rv32imc": 7700, "cortex-m0plus": 6500, "cortex-m4": 6300, "lx106": 7400, "avr": 11700}

// TestSize holds the size of the client's code, and that it has no memory of its own.
func TestSize(t *testing.T) {
	for _, c := range toolchains {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text, memory := 0, 0
			for _, source := range clientSources(t) {
				lines := strings.Split(c.tool(t, "size", c.compile(t, source)), "\n")
				fields := strings.Fields(lines[1]) // text, data, bss
				for i, sum := range []*int{&text, &memory, &memory} {
					n, err := strconv.Atoi(fields[i])
					if err != nil {
						t.Fatalf("%q: %v", lines[1], err)
					}
					*sum += n
				}
			}
			t.Logf("%d bytes of text", text)
			if text > budgets[c.name] {
				t.Errorf("%d bytes of text, the budget is %d", text, budgets[c.name])
			}
			if memory > 0 {
				t.Errorf("%d bytes of data and bss; the client's memory is its caller's", memory)
			}
		})
	}
}
