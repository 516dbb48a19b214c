package config

import "strings"

// envPattern is what expand takes for a variable, as the JSON Schema says it.
const envPattern = `\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}`

// expand replaces ${NAME} by the environment variable NAME, ${NAME:-default} by
// the default if NAME is unset or empty, and $$ by one $. Any other $ stands for
// itself. What comes from the environment is not expanded again.
func expand(s string, env func(string) (string, bool)) (text, wrong, write string) {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(s, "$")
		b.WriteString(before)
		if !ok {
			return b.String(), "", ""
		}
		switch {
		case strings.HasPrefix(after, "$"):
			b.WriteByte('$')
			s = after[1:]
		case strings.HasPrefix(after, "{"):
			inside, rest, closed := strings.Cut(after[1:], "}")
			name, standIn, hasStandIn := strings.Cut(inside, ":-")
			if !closed || !isVariable(name) {
				return "", "holds a ${ that begins no variable", "write ${NAME} or ${NAME:-default}, or $${ for the two characters"
			}
			value, set := env(name)
			switch {
			case hasStandIn && value == "":
				value = standIn
			case !set && !hasStandIn:
				return "", "the environment variable " + name + " is not set", "set it, or write ${" + name + ":-default}"
			}
			b.WriteString(value)
			s = rest
		default:
			b.WriteByte('$')
			s = after
		}
	}
}

// isVariable reports whether a name is that of an environment variable.
func isVariable(name string) bool {
	for i, c := range []byte(name) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		digit := '0' <= c && c <= '9'
		if !letter && (!digit || i == 0) {
			return false
		}
	}
	return name != ""
}
