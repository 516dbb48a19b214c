// Package house holds the rules of the house that can be checked: who imports
// whom, how big files grow, what has a comment, where links lead. Its tests read
// the repository; there is nothing else in it.
//
// golangci-lint (.golangci.yml) holds the others. What is here it cannot see: the
// graph of imports as a whole, files that are not Go, and rules that only some
// packages obey.
package house
