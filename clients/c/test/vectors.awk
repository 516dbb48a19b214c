# Makes C tables of the test vectors in docs/protocol.md, sections 14.2 to 14.6.
#
#     frames     body and frame
#     streams    bytes, and the bodies of the frames in them
#     messages   type and body
#     longs      body with a Length of three bytes
#     malformed  body
#
# Bytes are written as the page has them: "61*3 00" is 61 61 61 00; test/hex.c reads that.
BEGIN { FS = " *[|] *" }

function trim(s) { gsub(/^ +| +$/, "", s); return s }

# The bodies of the frames among what is found, separated by ";".
function frames_of(found,    n, i, parts, out) {
    n = split(found, parts, /; */)
    out = ""
    for (i = 1; i <= n; i++) {
        if (parts[i] ~ /^frame /) {
            out = out (out == "" ? "" : ";") substr(parts[i], 7)
        }
    }
    return out
}

function row(table, a, b, c) { rows[table] = rows[table] sprintf("    {\"%s\", \"%s\", \"%s\"},\n", a, trim(b), trim(c)) }

/^\| F[0-9]+ \|/ { row("frames", $2, $3, $4) }
/^\| S[0-9]+ \|/ { row("streams", $2, $3, frames_of($4)) }
/^\| M[0-9]+ \|/ { row("messages", $2, $3, $5) }
/^\| L[0-9]+ \|/ { row("longs", $2, $3, $4) }
/^\| X[0-9]+ \|/ { row("malformed", $2, $3, $4) }

END {
    n = split("frames streams messages longs malformed", names, " ")
    for (i = 1; i <= n; i++) {
        if (rows[names[i]] == "") {
            print "vectors.awk: no vectors for " names[i] > "/dev/stderr"
            exit 1
        }
        printf "static const vector %s[] = {\n%s};\n", names[i], rows[names[i]]
    }
}
