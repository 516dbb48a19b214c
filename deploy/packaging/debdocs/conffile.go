package main

import (
	"fmt"
	"strings"
)

// fresh is what a fresh installation has and the annotated example has not: there the folders exist.
var fresh = []struct{ example, installed string }{
	{"$schema=./umqttd.schema.json", "$schema=/usr/share/umqttd/umqttd.schema.json"},
	{"\n#outbox:\n  #dir: /var/lib/umqttd\n", "\noutbox:\n  dir: /var/lib/umqttd\n"},
}

// conffile turns the annotated example into the configuration of a fresh installation.
func conffile(example string) (string, error) {
	text := example
	for _, f := range fresh {
		if strings.Count(text, f.example) != 1 {
			return "", fmt.Errorf("the example does not hold %q once", f.example)
		}
		text = strings.Replace(text, f.example, f.installed, 1)
	}
	return text, nil
}
